"""The servers that are measured: hashmill behind nginx, and what it is compared with.

Each server is an object with url (clients' listener), worker_url, and stop(). All of them live in
directories of their own under one scratch directory, which must be on a disk, not in memory.
"""

import atexit
import contextlib
import hashlib
import os
import pathlib
import random
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import types

ROOT = pathlib.Path(__file__).resolve().parents[2]
MEMORY = "/dev/shm"
READY_SECONDS = 60
STOP_SECONDS = 30


def free_port_pair():
    """Two free ports in a row, below those that the kernel takes for outgoing connections."""
    for _ in range(200):
        port = 10000 + 2 * random.randrange(11000)
        with contextlib.ExitStack() as held:
            try:
                for number in (port, port + 1):
                    listener = held.enter_context(socket.socket())
                    listener.bind(("127.0.0.1", number))
                return port
            except OSError:
                continue
    raise SystemExit("no two free ports in a row")


class Process:
    """A child in a process group of its own, with its output in a log file. Whatever has not been
    stopped when this program ends, for whatever reason, is stopped then."""

    def __init__(self, command, log, cwd=None, environment=None):
        self.log = pathlib.Path(log)
        with open(log, "ab") as output:
            self.child = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=output,
                stderr=output, cwd=cwd, start_new_session=True,
                env={**os.environ, **(environment or {})})
        atexit.register(self.stop)

    def wait_ready(self, is_ready):
        """Returns when is_ready() says so; ends the program with the log when that takes too long."""
        give_up_at = time.monotonic() + READY_SECONDS
        while not is_ready():
            if self.child.poll() is not None or time.monotonic() > give_up_at:
                text = self.log.read_text(errors="replace")[-2000:]
                raise SystemExit(f"{self.child.args[0]} did not come up:\n{text}")
            time.sleep(0.01)

    def stop(self, signal_number=signal.SIGTERM):
        atexit.unregister(self.stop)
        if self.child.poll() is None:
            self.child.send_signal(signal_number)
            try:
                self.child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                pass
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.child.pid, signal.SIGKILL)
        self.child.wait()


def answers(port):
    """Whether somebody accepts connections on a port of this machine."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


class Nginx:
    """nginx with a configuration made by configure(port); on a free port unless one is given."""

    def __init__(self, directory, configure, port=None):
        self.directory = directory / "nginx"
        self.directory.mkdir(parents=True)
        self.port = port or free_port_pair()
        configuration = self.directory / "nginx.conf"
        # What nginx keeps is in memory, as the package has it: files made beside the database slow its fdatasync.
        self._kept = tempfile.TemporaryDirectory(prefix="hashmill-bench-", dir=MEMORY)
        configuration.write_text(
            configure(self.port).replace(f'"{self.directory}/cache"', f'"{self._kept.name}"'))
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        self.process = Process(
            [program, "-e", "stderr", "-p", self.directory, "-c", configuration],
            self.directory / "log", cwd=self.directory)
        self.process.wait_ready(lambda: answers(self.port))

    def stop(self):
        self.process.stop(signal.SIGQUIT)
        self._kept.cleanup()


def local_configuration(directory, run_dir, port):
    """nginx/local.conf.in with its markers replaced, as scripts/run.sh does it."""
    text = (ROOT / "nginx/local.conf.in").read_text()
    for marker, value in {
            "@DIR@": directory / "nginx", "@NGINX_DIR@": ROOT / "nginx", "@RUN_DIR@": run_dir,
            "@ADDRESS@": "127.0.0.1", "@PORT@": port, "@WORKER_PORT@": port + 1,
            "@METRICS_PORT@": free_port_pair(),
            "@USER@": "user root;" if os.geteuid() == 0 else ""}.items():
        text = text.replace(marker, str(value))
    return text


def other_public(text, locations):
    """A configuration whose public listener has these locations instead of hashmill's."""
    include = f'include "{ROOT}/nginx/hashmill-public.conf";'
    if include not in text:
        raise SystemExit("nginx/local.conf.in does not include hashmill-public.conf as it did")
    return text.replace(include, locations)


class Node:
    """hashmill-fcgi behind nginx. build: directory with the program; database: one to begin with,
    moved into place; slow_fsync: library to be loaded before all others; port: see Nginx."""

    def __init__(self, scratch, name, build, database=None, slow_fsync=None, port=None, **settings):
        self.name = name
        self.build = pathlib.Path(build)
        self.directory = scratch / name
        self.directory.mkdir(parents=True)
        self.database = self.directory / "hashmill.db"
        if database:
            os.rename(database, self.database)
        self.token = secrets.token_hex(32)
        self.workers = []
        self.environment = {"LD_PRELOAD": str(slow_fsync)} if slow_fsync else {}
        run_dir = self.directory / "run"
        self.settings_file = self.directory / "hashmill.env"
        self._write_settings({"DATABASE": self.database, "RUN_DIR": run_dir,
                              "WORKER_TOKEN": self.token, **self._unbounded(), **settings})
        self._make_database()
        started = time.monotonic()
        self.server = Process([self.build / "hashmill-fcgi", "-c", self.settings_file],
                              self.directory / "server.log", environment=self.environment)
        self.server.wait_ready((run_dir / "hashmill-fcgi.pid").exists)
        self.start_seconds = time.monotonic() - started
        self.nginx = Nginx(self.directory,
                           lambda given: local_configuration(self.directory, run_dir, given), port)
        self.port = self.nginx.port
        self.worker_port = self.port + 1
        self.url = f"http://127.0.0.1:{self.port}"
        self.worker_url = f"http://127.0.0.1:{self.worker_port}"

    def _unbounded(self):
        """What lets one client lease everything before it reports anything; an older program lets it."""
        known = b"IN_HAND_START" in (self.build / "hashmill-fcgi").read_bytes()
        return {"IN_HAND_START": 1000000000} if known else {}

    def _make_database(self):
        program = self.build / "hashmill-fcgi"
        if b"from-peer" in program.read_bytes():  # an older one makes it when it starts
            subprocess.run([program, "-c", self.settings_file, "--init", "--new"], check=True,
                           stderr=subprocess.DEVNULL)

    def _write_settings(self, settings):
        text = "".join(f"{key}={value}\n" for key, value in settings.items())
        self.settings_file.write_text(text)
        self.settings_file.chmod(0o600)

    def start_worker(self, program, **settings):
        number = len(self.workers)
        file = self.directory / f"worker-{number}.env"
        all_settings = {"NODES": self.worker_url, "WORKER_TOKEN": self.token, "IDLE_SECONDS": 0,
                        **settings}
        file.write_text("".join(f"{key}={value}\n" for key, value in all_settings.items()))
        file.chmod(0o600)
        worker = Process([program, "-c", file], self.directory / f"worker-{number}.log")
        self.workers.append(worker)
        return worker

    def stop_workers(self):
        while self.workers:
            self.workers.pop().stop()

    def process_ids(self):
        """Of hashmill-fcgi and nginx, children included."""
        return [pid for process in (self.server, self.nginx.process)
                for pid in family(process.child.pid)]

    def stop(self):
        self.stop_workers()
        self.nginx.stop()
        self.server.stop()


def family(pid):
    """A process and its descendants."""
    found = [pid]
    for process in found:
        for task in pathlib.Path(f"/proc/{process}/task").glob("*/children"):
            found += [int(child) for child in task.read_text().split()]
    return found


class Constant:
    """nginx that answers every request by itself with a fixed text: the price of HTTP alone."""

    def __init__(self, scratch):
        self.directory = scratch / "constant"
        self.directory.mkdir()
        self.nginx = Nginx(self.directory, self._configure)
        self.port = self.nginx.port
        self.url = f"http://127.0.0.1:{self.port}"

    def _configure(self, port):
        text = local_configuration(self.directory, self.directory, port)
        answer = 'return 201 \'{"id":"00000000-0000-7000-8000-000000000000","digest":"%s"}\'' % (
            "0" * 128)
        return other_public(text, "client_max_body_size 256k; client_body_buffer_size 256k;"
                                  "location / { %s; }" % answer)

    def stop(self):
        self.nginx.stop()


class Flask:
    """The equivalent in Flask, gunicorn and SQLite, behind nginx as its manual wants it."""

    def __init__(self, scratch, slow_fsync=None):
        self.directory = scratch / ("flask-slow" if slow_fsync else "flask")
        self.directory.mkdir()
        environment = {"FLASK_QUEUE": str(self.directory / "queue.db")}
        if slow_fsync:
            environment["LD_PRELOAD"] = str(slow_fsync)
        address = self.directory / "gunicorn.sock"
        workers = 2 * (os.cpu_count() or 1) + 1  # as gunicorn's manual advises
        self.server = Process(
            ["/usr/bin/gunicorn", "--workers", workers, "--bind", f"unix:{address}",
             "--backlog", "4096", "--chdir", ROOT / "scripts/bench/references", "flask_queue:app"],
            self.directory / "server.log", environment=environment)
        self.server.wait_ready(address.exists)
        self.nginx = Nginx(self.directory, lambda port: self._configure(port, address))
        self.port = self.worker_port = self.nginx.port
        self.url = f"http://127.0.0.1:{self.port}"
        self.token = ""

    def _configure(self, port, address):
        text = local_configuration(self.directory, self.directory, port)
        return other_public(text, "client_max_body_size 512k; client_body_buffer_size 512k;"
                                  f"location / {{ proxy_pass http://unix:{address}:; }}")

    def stop(self):
        self.nginx.stop()
        self.server.stop()


def client_name(number):
    """Of the client with that number, from 1 on; its row in the table client has the same number."""
    return f"c{number}"


class Keys:
    """Keys of `count` clients and of an operator, in a file of a directory, for KEYS. weights: of each client in
    turn, over and over."""

    def __init__(self, directory, count, weights=(1,)):
        self.count = count
        self.operator = secrets.token_urlsafe(32)
        self.tokens = [None] + [secrets.token_urlsafe(32) for _ in range(count)]  # by number
        self.weights = [None] + [weights[number % len(weights)] for number in range(count)]
        self.file = directory / "keys"
        self.tokens_file = directory / "tokens"  # for put.lua
        self._write(self.file, [key_line("operator", "bench", self.operator)] + [
            key_line("client", client_name(number), self.tokens[number], f" weight={self.weights[number]}")
            for number in range(1, count + 1)])
        self._write(self.tokens_file, self.tokens[1:])

    def only(self, number):
        """What load.put_for takes, for one of the clients."""
        file = self.file.with_name(f"token-{number}")
        self._write(file, [self.tokens[number]])
        return types.SimpleNamespace(tokens_file=file)

    @staticmethod
    def _write(file, lines):
        file.touch(mode=0o600)
        file.write_text("".join(f"{text}\n" for text in lines))


def key_line(role, name, token, attributes=""):
    return f"{role} {name} {hashlib.sha256(token.encode()).hexdigest()}{attributes}"
