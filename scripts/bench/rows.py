"""The same operations on a queue of ten thousand rows and on one of ten million."""

import random
import sqlite3
import uuid

import batches
import fill
import load
import servers
import talk
from measure import POOL

SIZES = {"10 thousand rows": 10_000, "10 million rows": 10_000_000}
LOOKS = 2000
CANCELS = 800  # of the 6,000 that wait in the smaller queue, three times, twice
LATE = 10_000  # as many rows as the smaller queue has: what clients ask for is mostly new
WAITING = 0
LEASES = 20
REPEATS = 5


def measure(bench):
    with bench.section("rows"):
        nodes = {}
        for name, rows in SIZES.items():
            maker = servers.Node(bench.scratch, f"maker-{rows}", bench.build)
            maker.stop()
            with bench.quiet():
                row_bytes = fill.fill(maker.database, rows)
            nodes[name] = bench.node(f"node-{rows}", database=maker.database, PROCESSES_PUBLIC=POOL)
            bench.keep("start", name, start_seconds=nodes[name].start_seconds, row_bytes=row_bytes)
        operations(bench, nodes)


def warm(nodes):
    """Reads the database files, so that both are in memory as far as the system keeps them there: the
    smaller one is anyway, and what is compared is the work, not the disk."""
    for node in nodes.values():
        with open(node.database, "rb") as file:
            while file.read(1 << 24):
                pass


def operations(bench, nodes):
    ask_for_some(bench, nodes)
    warm(nodes)
    body = bench.body(16384)
    bench.interleave("enqueue 16 KB, 16 clients, by rows", {
        name: lambda node=node: load.put_for(node.url, body, 16, 2, iterations=2)
        for name, node in nodes.items()}, REPEATS)
    count = LEASES * 500 * REPEATS
    with bench.quiet():  # enough to lease, however slow this machine is
        for node in nodes.values():
            load.put_count_ended(load.put_count(node.url, body, 16, count, 2), count)
    cycles = {name: batches.Cycle(node, LEASES) for name, node in nodes.items()}
    warm(nodes)
    for what in ("lease", "report", "pull"):
        bench.interleave(f"{what} 500 at once, by rows",
                         {name: getattr(cycle, what) for name, cycle in cycles.items()}, REPEATS)


def ask_for_some(bench, nodes):
    """Single items, while both queues have their sizes exactly. Among all of ten million each one is
    on pages that nobody else uses, so those two measurements have no bound."""
    for what, method, among, state, count in (
            ("look", "GET", LATE, None, LOOKS), ("cancel", "DELETE", LATE, WAITING, CANCELS),
            ("look at any", "GET", None, None, LOOKS),
            ("cancel any", "DELETE", None, WAITING, CANCELS)):
        warm(nodes)
        bench.interleave(f"{what}, by rows", {
            name: lambda node=node: ask_random(node, method, among, state, count)
            for name, node in nodes.items()}, 3)


def ask_random(node, method, among, state, count):
    """Asks for random items; among: only the last `among` that came (None: all); state: only for
    those in it (None: in any)."""
    requests = [talk.request(method, f"/items/{item}")
                for item in random_ids(node.database, among, state, count)]
    seconds, replies, took = talk.ask_all(node.port, requests, 4)
    if any(status not in (200, 204) for status, _ in replies):
        raise SystemExit(f"{method} failed: {replies[0]}")
    took.sort()
    return {"rate": count / seconds, "p50_ms": took[count // 2], "p99_ms": took[count * 99 // 100]}


def random_ids(database, among, state, count):
    """Different ones, as texts."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    last = connection.execute("SELECT max(seq) FROM item").fetchone()[0]
    first = last - among + 1 if among else 1
    found = set()
    while len(found) < count:
        row = connection.execute("SELECT id, state FROM item WHERE seq = ?",
                                 (random.randint(first, last),)).fetchone()
        if row and (state is None or row[1] == state):
            found.add(str(uuid.UUID(bytes=row[0])))
    connection.close()
    return found
