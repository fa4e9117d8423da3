"""PUT /enqueue by wrk, and the same bodies as jobs of beanstalkd and Redis: throughput and latency
against clients and body size, on the disk as it is and on one whose fsync takes 2 ms more."""

import functools
import os
import time

import load
import servers
from measure import POOL
from references import brokers

KB = 1024
FSYNCS = 500
SIZES = {16: (1, 4, 16, 64), 256: (1, 16, 64)}  # KB: clients
FEW = {16: (16,), 256: (16,)}


def measure(bench):
    with bench.section("enqueue"):
        bench.interleave("fdatasync of 32 KB", {"disk": lambda: fsync(bench.scratch / "fsync")})
        compared = {
            "node": bench.node("node"),
            "no store": bench.node("null", "null"),
            "FULL each": bench.node("full", "full", PROCESSES_INTAKE=POOL),
            "Flask": bench.up(servers.Flask(bench.scratch)),
        }
        if not bench.options.quick:
            compared["constant"] = bench.up(servers.Constant(bench.scratch))
        jobs = brokers.loads(bench)
        for size, counts in (FEW if bench.options.quick else SIZES).items():
            for clients in counts:
                put(bench, name_of(size, clients), compared, jobs, size, clients)


def measure_slow(bench):
    """The same with 2 ms more for each fsync, as on a network disk."""
    with bench.section("slow"):
        compared = {"node": bench.node("node", slow=True)}
        jobs = {}
        if not bench.options.quick:
            compared["FULL each"] = bench.node("full", "full", slow=True, PROCESSES_INTAKE=POOL)
            compared["Flask"] = bench.up(servers.Flask(bench.scratch, slow_fsync=bench.slow_fsync))
            jobs = brokers.loads(bench, slow=True)
        for size, clients in ((16, 16), (16, 64)) if bench.options.quick else (
                (16, 1), (16, 16), (16, 64), (256, 16)):
            put(bench, name_of(size, clients) + ", fsync + 2 ms", compared, jobs, size, clients)


def name_of(size, clients):
    return f"enqueue {size} KB, {clients} client{'s' * (clients > 1)}"


def put(bench, what, compared, jobs, size, clients):
    """Measures one size and number of clients on all servers, after one short run of each, and by the loads on
    brokers, which have a new one each time."""
    body = bench.body(size * KB)
    with bench.quiet():
        for server in compared.values():
            load.put_for(server.url, body, clients, 1)
    loads = {name: functools.partial(load.put_for, server.url) for name, server in compared.items()}
    bench.interleave(what, {name: functools.partial(put_for, body, clients, bench.seconds)
                            for name, put_for in {**loads, **jobs}.items()})


def fsync(path):
    """What the disk alone takes for a write as long as a batch's: no durable answer can be faster."""
    took = []
    file = os.open(path, os.O_RDWR | os.O_CREAT)
    os.write(file, bytes(1 << 23))
    os.fsync(file)
    for number in range(FSYNCS):
        os.pwrite(file, os.urandom(32 * KB), 32 * KB * (number % 256))
        began = time.perf_counter()
        os.fdatasync(file)
        took.append((time.perf_counter() - began) * 1000)
    os.close(file)
    took.sort()
    return {"p50_ms": took[FSYNCS // 2], "p99_ms": took[FSYNCS * 99 // 100]}
