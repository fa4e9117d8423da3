"""Pulls that wait: how long after an item is done its client has it; and what a thousand of them, for
which nothing comes, cost the others."""

import resource
import select
import time

import batches
import items
import load
import servers
import standing
import talk
from measure import POOL

ANSWER = "POST /pullCompleted?top=1&wait=30, one parked"
PULLS = 1000
PULLERS = 10
LEASES = 20
BESIDE = f", {PULLS:,} pulls parked"
WHATS = (f"enqueue 16 KB, 16 clients{BESIDE}", f"lease 500 at once{BESIDE}", f"report 500 at once{BESIDE}")


def measure(bench):
    with bench.section("pulls"):
        node = bench.node("node", PROCESSES_PUBLIC=POOL)
        count = 100 if bench.options.quick else 300
        with bench.quiet():
            answers(node, 20)
        bench.interleave(ANSWER, {"node": lambda: answers(node, count)})
    measure_parked(bench)


def answers(node, count):
    """A worker reports one item after the other; the item's client has a pull parked meanwhile. Times from
    the reply to the report, and from before it was sent, to the reply to the pull."""
    clients_side, worker, looker = (talk.Connection(port) for port in (node.port, node.worker_port, node.port))
    behind, whole = [], []
    pull = talk.request("POST", "/pullCompleted?top=1&wait=30")
    for _ in range(count):
        looker.ask(talk.request("PUT", "/enqueue?iterations=2", b"an item"))
        lease, text = talk.lease_request(node, 1)
        _, reply = worker.ask(text)
        report = talk.report_request(node, lease, reply)[1]
        clients_side.socket.sendall(pull)
        standing.wait_parked(node, 1)
        sent = time.perf_counter()
        worker.socket.sendall(report)
        reported, pulled = both(worker, clients_side)
        behind.append(max(pulled - reported, 0) * 1000)
        whole.append((pulled - sent) * 1000)
    for one in (clients_side, worker, looker):
        one.close()
    behind.sort()
    whole.sort()
    return {"p50_ms": behind[count // 2], "p99_ms": behind[count * 99 // 100],
            "sent_p50_ms": whole[count // 2], "sent_p99_ms": whole[count * 99 // 100]}


def both(worker, puller):
    """Waits for the replies of both; returns when each came."""
    at = {}
    while len(at) < 2:
        for one in select.select([one.socket for one in (worker, puller) if one.socket not in at], [], [])[0]:
            at[one] = time.perf_counter()
    for one in (worker, puller):
        status, reply = one.answer()
        if status != 200 or one is puller and reply.count(b'"value"') != 1:
            raise SystemExit(f"{status}: {reply[:300]!r}")
    return at[worker.socket], at[puller.socket]


def measure_parked(bench):
    """The pulls are those of ten clients; the others' work is an eleventh's."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    with bench.section("pulls-parked"):
        keys = servers.Keys(bench.scratch, PULLERS + 1)
        node = bench.node("node", PROCESSES_PUBLIC=POOL, WAIT_SLOTS_PUBLIC=PULLS, KEYS=keys.file)
        body = bench.body(16384)
        other = keys.only(PULLERS + 1)
        cycle = batches.Cycle(node, LEASES)
        count = 2 if bench.options.quick else 9
        batch = items.request_of(batches.BATCH, 2, keys.tokens[-1])
        with bench.quiet():
            load.put_for(node.url, body, 16, 1, 1, other)
            items.post_all(node, [batch] * LEASES * 2 * count, 4, batches.BATCH)
        for what, run in zip(WHATS, (
                lambda: load.put_for(node.url, body, 16, bench.seconds, 1, other), cycle.lease, cycle.report)):
            bench.interleave(what, {"none": run, "parked": lambda run=run: beside(node, keys, run)}, count)


def beside(node, keys, run):
    """One run while all slots are taken."""
    waits = []
    for number in range(1, PULLERS + 1):
        pull = talk.request("POST", "/pullCompleted?top=1&wait=30", token=keys.tokens[number])
        waits += talk.park(node.port, [pull] * (PULLS // PULLERS))
    try:
        standing.wait_parked(node, PULLS, keys.operator)
        return run()
    finally:
        for one in waits:
            one.close()
        standing.wait_parked(node, 0, keys.operator)
