"""What all measurements share: the scratch directory, servers that are stopped again, repeats that are
interleaved, medians, and the results, which are {what: {server: {measure: figure}}}."""

import contextlib
import fcntl
import os
import pathlib
import shutil
import statistics
import sys
import tempfile

import servers

POOL = 16  # processes for clients' requests, of every hashmill that is compared with another


class Bench:
    """One invocation. options: build, lock, quick."""

    def __init__(self, options):
        self.options = options
        self.build = pathlib.Path(options.build).resolve()
        self.slow_fsync = self.build / "slow_fsync.so"
        self.results = {}
        self.notes = {}
        self.repeats = 2 if options.quick else 5
        self.seconds = 1 if options.quick else 2
        self._everything = contextlib.ExitStack()
        self._section = None

    def __enter__(self):
        # Not /tmp, which may be in memory: an fsync must mean something.
        parent = os.environ.get("BENCH_DIR", "/var/tmp")
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="hashmill-bench-", dir=parent))
        self._everything.callback(shutil.rmtree, self.scratch, ignore_errors=True)
        return self

    def __exit__(self, *unused):
        self._everything.close()

    @contextlib.contextmanager
    def section(self, name):
        """Servers that are started inside are stopped, and their files removed, at its end."""
        say(f"-- {name}")
        kept, self.scratch = self.scratch, self.scratch / name
        self.scratch.mkdir()
        with contextlib.ExitStack() as self._section:
            self._section.callback(shutil.rmtree, self.scratch, ignore_errors=True)
            yield
        self.scratch = kept

    def body(self, size):
        """A file of `size` random bytes."""
        path = self.scratch / f"body-{size}"
        path.write_bytes(os.urandom(size))
        return path

    def up(self, server):
        """Has a server stopped at the section's end."""
        self._section.callback(server.stop)
        return server

    def node(self, name, engine="", slow=False, **settings):
        """A hashmill; engine: "" for the real one, "null" or "full" for what it is compared with."""
        return self.up(servers.Node(
            self.scratch, name, self.build / engine, slow_fsync=self.slow_fsync if slow else None,
            **settings))

    def interleave(self, what, runs, repeats=None):
        """Calls each of runs ({server: function}) `repeats` times, in turn, and keeps the medians of
        the figures that they return as results[what]."""
        figures = {name: [] for name in runs}
        with self.quiet():
            for number in range(repeats or self.repeats):
                order = list(runs) if number % 2 == 0 else list(reversed(runs))
                for name in order:
                    figures[name].append(runs[name]())
        for name, all_runs in figures.items():
            self.keep(what, name, **medians(all_runs), runs=all_runs)

    def keep(self, what, name, **figures):
        self.results.setdefault(what, {})[name] = figures
        shown = ", ".join(f"{key} {value:.6g}" for key, value in figures.items()
                          if isinstance(value, (int, float)))
        say(f"{what}: {name}: {shown}")

    @contextlib.contextmanager
    def quiet(self):
        """Holds the lock that others on this machine respect while something is measured."""
        if not self.options.lock:
            yield
            return
        with open(self.options.lock, "a", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def medians(runs):
    """Of each figure over all runs."""
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def say(text):
    print(text, file=sys.stderr, flush=True)
