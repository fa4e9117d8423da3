"""Whole lives of items: many at once from the first PUT to the last value pulled, and one at a time on
an idle system."""

import hashlib
import json
import pathlib
import statistics
import time

import load
import talk
from measure import POOL

ITERATIONS = 1000
CLIENTS = 16
BODY_BYTES = 16384
PULL_TOP = 1000


def measure_pipeline(bench, slow=False):
    suffix = ", fsync + 2 ms" if slow else ""
    count = 10000 if bench.options.quick else 50000
    with bench.section("pipeline" + ("-slow" if slow else "")):
        body = bench.body(BODY_BYTES)
        alone = bench.node("alone", slow=slow, PROCESSES_PUBLIC=POOL)
        whole = bench.node("whole", slow=slow, PROCESSES_PUBLIC=POOL)
        whole.start_worker(bench.build / "hashmill-worker")
        bench.interleave(f"{count} items x {ITERATIONS} iterations{suffix}", {
            "enqueue alone": lambda: put_all(alone, body, count),
            "to the last pull": lambda: put_and_pull_all(whole, body, count)},
            min(bench.repeats, 3))


def put_all(node, body, count):
    began = time.perf_counter()
    load.put_count_ended(load.put_count(node.url, body, CLIENTS, count, ITERATIONS), count)
    return {"rate": count / (time.perf_counter() - began)}


def put_and_pull_all(node, body, count):
    """From the first PUT to the last value; checks every value."""
    value = value_of(body)
    pull = talk.request("POST", f"/pullCompleted?top={PULL_TOP}")
    connection = talk.Connection(node.port)
    replies, pulled = [], 0
    began = time.perf_counter()
    clients = load.put_count(node.url, body, CLIENTS, count, ITERATIONS)
    while pulled < count:
        _, reply = connection.ask(pull)
        got = reply.count(b'"value"')
        replies.append(reply)
        pulled += got
        if got < PULL_TOP:
            time.sleep(0.02)
    seconds = time.perf_counter() - began
    load.put_count_ended(clients, count)
    connection.close()
    if any(item["value"] != value for reply in replies for item in json.loads(reply)):
        raise SystemExit("a value is wrong")
    return {"rate": count / seconds}


def value_of(body):
    link = pathlib.Path(body).read_bytes()
    for _ in range(ITERATIONS):
        link = hashlib.sha512(link).digest()
    return link.hex()


def measure_single(bench, slow=False):
    """One item after the other: PUT to value by GET ?wait, on a system that does nothing else."""
    suffix = ", fsync + 2 ms" if slow else ""
    items = 200 if bench.options.quick else 500
    with bench.section("single" + ("-slow" if slow else "")):
        body = bench.body(BODY_BYTES)
        node = bench.node("node", slow=slow)
        node.start_worker(bench.build / "hashmill-worker")
        put = talk.request("PUT", f"/enqueue?iterations={ITERATIONS}", body.read_bytes())
        value = value_of(body)
        runs = {"node": lambda: one_by_one(node, put, value, items)}
        if not slow:
            null = bench.node("null", "null")
            runs["no store"] = lambda: one_by_one(null, put, "", items)
        with bench.quiet():
            one_by_one(node, put, value, 50)
        bench.interleave(f"one item, {ITERATIONS} iterations{suffix}", runs)


def one_by_one(node, put, value, items):
    connection = talk.Connection(node.port)
    took = []
    for _ in range(items):
        began = time.perf_counter()
        status, reply = connection.ask(put)
        place = reply.find(b'"id":"') + 6
        item = reply[place:place + 36].decode()
        if status == 201:
            status, reply = connection.ask(talk.request("GET", f"/items/{item}?wait=30"))
        took.append((time.perf_counter() - began) * 1000)
        if status != 200 or value.encode() not in reply:
            raise SystemExit(f"{status}: {reply[:300]!r}")
    connection.close()
    took.sort()
    return {"p50_ms": statistics.median(took), "p99_ms": took[len(took) * 99 // 100],
            "max_ms": took[-1]}
