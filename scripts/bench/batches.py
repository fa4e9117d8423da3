"""Lease, report and pull in batches of 500, on four connections: items a second."""

import statistics

import fill
import servers
import talk

BATCH = 500
CONNECTIONS = 4


def measure(bench):
    with bench.section("batches"):
        run(bench, "", slow=False)


def measure_slow(bench):
    with bench.section("batches-slow"):
        run(bench, ", fsync + 2 ms", slow=True)


def run(bench, suffix, slow):
    repeats = bench.repeats
    batches = 20 if bench.options.quick else 80
    rows = (repeats + 1) * batches * BATCH * 10 // 6 // 10 * 10 + 1000
    compared = {
        "node": full_node(bench, rows, slow),
        "Flask": full_flask(bench, rows, slow),
    }
    if not slow:
        compared["no store"] = bench.node("null", "null")
    cycles = {name: Cycle(server, batches) for name, server in compared.items()}
    with bench.quiet():
        for cycle in cycles.values():
            for stage in (cycle.lease, cycle.report, cycle.pull):
                stage()
    # One after the other of the same server, as the one makes what the other takes.
    for what in ("lease", "report", "pull"):
        bench.interleave(f"{what} {BATCH} at once{suffix}",
                         {name: getattr(cycle, what) for name, cycle in cycles.items()}, repeats)


def full_node(bench, rows, slow):
    """A node with `rows` rows, six tenths of them waiting."""
    maker = servers.Node(bench.scratch, "maker", bench.build)
    maker.stop()
    with bench.quiet():
        fill.fill(maker.database, rows)
    return bench.node("node", slow=slow, database=maker.database)


def full_flask(bench, rows, slow):
    flask = bench.up(servers.Flask(bench.scratch, bench.slow_fsync if slow else None))
    connection = talk.Connection(flask.port)
    connection.ask(talk.request("PUT", "/enqueue?iterations=1", b"makes the schema"))
    connection.close()
    fill.fill_flask(flask.directory / "queue.db", rows * 6 // 10)
    return flask


class Cycle:
    """The life of many items on one server, a stage for all of them at a time."""

    def __init__(self, server, batches):
        self.server = server
        self.batches = batches
        self.leases = []   # (lease id, reply) not reported yet

    def lease(self):
        requests = [talk.lease_request(self.server, BATCH) for _ in range(self.batches)]
        figures, replies = self._ask(self.server.worker_port, [text for _, text in requests])
        self.leases += [(lease, reply) for (lease, _), reply in zip(requests, replies)]
        return figures

    def report(self):
        mine, self.leases = self.leases[:self.batches], self.leases[self.batches:]
        reports = [talk.report_request(self.server, lease, reply) for lease, reply in mine]
        if any(count != BATCH for count, _ in reports):
            raise SystemExit("a lease gave fewer items than it was asked for")
        figures, replies = self._ask(self.server.worker_port, [text for _, text in reports])
        if any(b'"lost":[]' not in reply.replace(b" ", b"") for reply in replies):
            raise SystemExit("a report was not taken")
        return figures

    def pull(self):
        text = talk.request("POST", f"/pullCompleted?top={BATCH}")
        figures, _ = self._ask(self.server.port, [text] * self.batches)
        return figures

    def _ask(self, port, requests):
        seconds, replies, took = talk.ask_all(port, requests, CONNECTIONS)
        if any(status != 200 for status, _ in replies):
            raise SystemExit(f"{[status for status, _ in replies if status != 200][0]}: "
                             f"{replies[0][1][:300]!r}")
        took.sort()
        return ({"items_per_second": len(requests) * BATCH / seconds,
                 "p50_ms": statistics.median(took), "p99_ms": took[len(took) * 99 // 100]},
                [reply for _, reply in replies])
