"""How real workers' iterations are shared between clients, against their weights, while all of them
have items that wait; in the order in which items were leased."""

import contextlib
import itertools
import sqlite3
import time

import batches
import items
import servers
from measure import POOL

SHORT = 2000    # items of one client,
TIMES = 100     # and so many times that of the other,
ITERATIONS = {"short": 5000, "long": 10000}  # each; what is shared is iterations, not items
PAIRS = {"1:1": (1, 1), "3:1": (3, 1), "1:3": (1, 3)}  # the weights of short and long
MANY = 1000
MANY_ITEMS = 500  # of each, whatever its weight
MANY_ITERATIONS = 1000
MANY_LEASED = 100.5  # items for each unit of weight, until which shares are measured; nobody has a half
WEIGHTS = (1, 2, 3, 4)
ALONE = (20000, 5000)  # items, iterations
WHAT_MANY = f"shares of {MANY:,} clients, weights 1 to 4"
WHAT_ALONE = "a whole worker, one client"


def name_of(weights):
    return f"shares of two clients, {weights}, the second has {TIMES} times as much"


def measure(bench):
    repeats = 1 if bench.options.quick else 3
    with bench.section("shares"):
        for weights in PAIRS:
            bench.interleave(name_of(weights), {"node": lambda weights=weights: pair(bench, weights)}, repeats)
        bench.interleave(WHAT_MANY, {"node": lambda: many(bench)}, 1)
        bench.interleave(WHAT_ALONE, {"without KEYS": lambda: alone(bench, False),
                                      "with KEYS": lambda: alone(bench, True)})


@contextlib.contextmanager
def node_with(bench, backlogs, weights=(1,), keys=True):
    """A node of its own with what each of len(backlogs) clients has enqueued: (items, iterations)."""
    scratch = bench.scratch / f"{time.monotonic_ns()}"
    scratch.mkdir()
    kept = servers.Keys(scratch, len(backlogs), weights)
    node = servers.Node(scratch, "node", bench.build, PROCESSES_PUBLIC=POOL,
                        **({"KEYS": kept.file} if keys else {}))
    try:
        for token, (count, iterations) in zip(kept.tokens[1:], backlogs):
            each = min(count, batches.BATCH)
            request = items.request_of(each, iterations, token if keys else None)
            items.post_all(node, [request] * (count // each), 4, each)
        yield node
    finally:
        node.stop()


def work_until(bench, node, is_over):
    """Runs a worker until is_over(connection to the database)."""
    connection = sqlite3.connect(f"file:{node.database}?mode=ro", uri=True)
    node.start_worker(bench.build / "hashmill-worker")
    give_up_at = time.monotonic() + 300
    while not is_over(connection):
        if time.monotonic() > give_up_at:
            raise SystemExit("the worker did not come to an end")
        time.sleep(0.05)
    node.stop_workers()
    return connection


def leased(connection):
    """The number of the client and the iterations of each item, in the order of leasing."""
    return connection.execute("SELECT client.name, iterations FROM item JOIN client ON client.seq = client"
                              " WHERE granted_at IS NOT NULL ORDER BY granted_at, rank, item.seq")


def pair(bench, weights):
    """The part of the first client until it has nothing left, and its greatest distance from what is due in
    any tenth of that."""
    first, second = PAIRS[weights]
    backlogs = [(SHORT, ITERATIONS["short"]), (SHORT * TIMES, ITERATIONS["long"])]
    with node_with(bench, backlogs, (first, second)) as node:
        connection = work_until(bench, node, lambda db: db.execute(
            "SELECT waiting FROM client WHERE name = ?", (servers.client_name(1),)).fetchone()[0] == 0)
        rows = leased(connection).fetchall()
        connection.close()
    mine = [number for number, row in enumerate(rows) if row[0] == servers.client_name(1)]
    rows = rows[:mine[-1] + 1]
    due = first / (first + second)
    parts = [share(rows[len(rows) * part // 10:len(rows) * (part + 1) // 10]) for part in range(10)]
    return {"share": share(rows), "due": due, "off": abs(share(rows) / due - 1),
            "off_in_a_tenth": max(abs(part / due - 1) for part in parts)}


def share(rows):
    """The first client's part of the iterations."""
    return (sum(iterations for name, iterations in rows if name == servers.client_name(1)) /
            sum(iterations for _, iterations in rows))


def many(bench):
    """All clients have as much as each other, and the heaviest are not at its end."""
    units = sum(WEIGHTS) * MANY // len(WEIGHTS)
    total = int(units * MANY_LEASED)
    with node_with(bench, [(MANY_ITEMS, MANY_ITERATIONS)] * MANY, WEIGHTS) as node:
        connection = work_until(bench, node, lambda db: db.execute(
            "SELECT sum(leased + done) FROM client").fetchone()[0] >= total)
        rows = list(itertools.islice(leased(connection), total))
        connection.close()
    each = {servers.client_name(number): 0 for number in range(1, MANY + 1)}
    for name, _ in rows:
        each[name] += 1
    off = sorted(abs(each[servers.client_name(number + 1)] / MANY_LEASED / WEIGHTS[number % len(WEIGHTS)] - 1)
                 for number in range(MANY))
    return {"items": total, "off": off[-1], "off_median": off[MANY // 2]}


def alone(bench, keys):
    """Iterations a second from the first lease to the last report; by a client with a key its share."""
    count, iterations = ALONE
    with node_with(bench, [ALONE], keys=keys) as node:
        connection = work_until(bench, node, lambda db: db.execute(
            "SELECT done FROM tally").fetchone()[0] == count)
        began, ended, whose = connection.execute(
            "SELECT min(granted_wall), max(done_wall), count(*) FILTER (WHERE client = ?) FROM item",
            (1 if keys else 0,)).fetchone()
        connection.close()
    return {"rate": count * iterations / (ended - began) * 1000, "share": whose / count}
