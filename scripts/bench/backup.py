"""Enqueues beside backups of a large queue, one after the other."""

import os
import pathlib
import subprocess
import tempfile
import threading
import time

import fill
import load
import servers
from measure import POOL

ROWS = 2_000_000
WHAT = "enqueue 16 KB, 16 clients, beside backups"


def measure(bench):
    with bench.section("backup"):
        maker = servers.Node(bench.scratch, "maker", bench.build)
        maker.stop()
        with bench.quiet():
            fill.fill(maker.database, 100_000 if bench.options.quick else ROWS)
        node = bench.node("node", database=maker.database, PROCESSES_PUBLIC=POOL)
        body = bench.body(16384)
        with bench.quiet():
            load.put_for(node.url, body, 16, 1)
            alone = copy(node)
        bench.keep("backup", "nothing else to do", rate_mb=alone)
        seconds = 2 * bench.seconds
        bench.interleave(WHAT, {
            "none": lambda: load.put_for(node.url, body, 16, seconds),
            "backups": lambda: put_beside_backups(node, body, seconds)})


def copy(node):
    """One backup, as backup.sh has it made, to a new file: to free the room of a large one takes the
    disk some tenths of a second. Returns its MB/s."""
    file = pathlib.Path(tempfile.mkdtemp(dir=node.directory)) / "copy"
    began = time.monotonic()
    subprocess.run([node.build / "hashmill-fcgi", "-c", node.settings_file, "--backup", file], check=True)
    return os.stat(file).st_size / 1e6 / (time.monotonic() - began)


def put_beside_backups(node, body, seconds):
    """One run in which a backup is under way all the time; rate_mb is theirs."""
    rates = []
    ended = threading.Event()

    def make_backups():
        while not ended.is_set():
            rates.append(copy(node))

    thread = threading.Thread(target=make_backups)
    thread.start()
    result = load.put_for(node.url, body, 16, seconds)
    ended.set()
    thread.join()
    return {**result, "rate_mb": sum(rates) / len(rates)}
