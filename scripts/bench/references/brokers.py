"""beanstalkd and Redis, set up so that a job is on the disk of the bench before it is answered, and the load on them, by
the protocol of each. They keep every job in memory, too, and their files only grow: each run has a server of its own,
which begins with nothing, and a bound."""

import functools
import json
import os
import shutil
import subprocess

import measure
import servers

BYTES_MAX = 1 << 29  # of bodies in one run
LEFT_OUT = "left out"

# beanstalkd calls fsync for each job; Redis calls fdatasync once for all that came together, and answers then.
COMMANDS = {
    "beanstalkd": ("beanstalkd", "-l", "127.0.0.1", "-p", "{port}", "-b", "{directory}", "-f0", "-z", "1000000"),
    "Redis": ("redis-server", "--bind", "127.0.0.1", "--port", "{port}", "--dir", "{directory}", "--save", "",
              "--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0"),
}


def loads(bench, slow=False):
    """{name: function(body, clients, seconds)} of those that are installed; the function returns what load.put_for
    does. The others are named in the results."""
    bench.results.pop(LEFT_OUT, None)
    found = {}
    for name, command in COMMANDS.items():
        if shutil.which(command[0]):
            found[name] = functools.partial(put_for, bench, name, slow)
        else:
            why = f"{command[0]} is not installed"
            bench.results.setdefault(LEFT_OUT, {})[name] = {"why": why}
            measure.say(f"{LEFT_OUT}: {name}: {why}")
    return found


def put_for(bench, name, slow, body, clients, seconds):
    """Starts the broker, puts the file body by `clients` connections, and removes everything again."""
    directory = bench.scratch / name
    directory.mkdir()
    port = servers.free_port_pair()
    server = servers.Process(
        [word.format(port=port, directory=directory) for word in COMMANDS[name]], bench.scratch / f"{name}.log",
        environment={"LD_PRELOAD": str(bench.slow_fsync)} if slow else {})
    try:
        server.wait_ready(lambda: servers.answers(port))
        run = subprocess.run(
            [bench.build / "bench-put", name, str(port), body, str(clients), str(seconds),
             str(BYTES_MAX // body.stat().st_size)], capture_output=True, text=True, check=False)
    finally:
        server.stop()
        shutil.rmtree(directory)
        os.sync()  # now, and not during the fsync of whoever is measured next
    if run.returncode != 0:
        raise SystemExit(f"{name}: {run.stderr}{server.log.read_text(errors='replace')[-2000:]}")
    figures = json.loads(run.stdout)
    figures["rate"] = figures["requests"] / figures.pop("seconds")
    return figures
