"""POST /items, 500 lines at once, beside the inserts of SQLite alone and PUT /enqueue of 16 KB: items
a second, all of them durable."""

import hashlib
import json
import os
import subprocess

import load
import servers
import talk
from measure import POOL

LINES = 500
ROWS = 64  # that the server stores by one statement at most
CLIENTS = (1, 4, 16)
BATCHES = 160  # of one run


def measure(bench):
    with bench.section("items"):
        maker = servers.Node(bench.scratch, "maker", bench.build)
        maker.stop()
        node = bench.node("node", PROCESSES_PUBLIC=POOL)
        size = 16384
        file = bench.body(size)
        request = request_of(LINES, 1000)
        batches = BATCHES // 4 if bench.options.quick else BATCHES
        with bench.quiet():
            post(node, request, CLIENTS[-1], batches)
            insert(bench, maker.database, batches, ROWS)
            load.put_for(node.url, file, CLIENTS[-1], 1)
        for clients in CLIENTS:
            bench.interleave(name_of(clients), {
                "node": lambda clients=clients: post(node, request, clients, batches),
                "SQL alone": lambda: insert(bench, maker.database, batches, ROWS),
                "SQL alone, row by row": lambda: insert(bench, maker.database, batches, 1),
                "PUT /enqueue": lambda clients=clients: put(bench, node, file, clients)})


def name_of(clients):
    return f"POST /items, {LINES} at once, {clients} client{'s' * (clients > 1)}"


def request_of(count, iterations, token=None, of_one=0):
    """A request with that many lines, of different items; the last of_one of each ten have one iteration."""
    body = b"".join(json.dumps({"digest": hashlib.sha512(os.urandom(16)).hexdigest(),
                                "iterations": iterations if n % 10 < 10 - of_one else 1}).encode() + b"\n"
                    for n in range(count))
    return talk.request("POST", "/items", body, token, "application/x-ndjson")


def post_all(node, requests, connections, count):
    """Sends requests of `count` lines each; ends the program unless all lines were stored."""
    seconds, replies, took = talk.ask_all(node.port, requests, connections)
    for status, body in replies:
        if status != 200 or body.count(b'{"id":') != count:
            raise SystemExit(f"POST /items: {status} {body[:300]!r}")
    return seconds, took


def post(node, request, clients, batches):
    seconds, took = post_all(node, [request] * batches, clients, LINES)
    took.sort()
    return {"items_per_second": batches * LINES / seconds, "p50_ms": took[len(took) // 2],
            "p99_ms": took[len(took) * 99 // 100]}


def put(bench, node, file, clients):
    figures = load.put_for(node.url, file, clients, bench.seconds)
    return {"items_per_second": figures.pop("rate"), **figures}


def insert(bench, database, batches, rows):
    """The statements by which the server stores items, `rows` at a time, on a database that it has made, from
    one process that does nothing else."""
    run = subprocess.run([bench.build / "bench-inserts", database, str(batches), str(LINES), str(rows)],
                         capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise SystemExit(run.stderr)
    return {"items_per_second": float(run.stdout)}
