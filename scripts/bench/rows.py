"""The same operations on a queue of ten thousand rows and on one of ten million, of nobody and of a
thousand clients."""

import random
import sqlite3
import uuid

import batches
import fill
import items
import load
import servers
import talk
from measure import POOL

SIZES = {"10 thousand rows": 10_000, "10 million rows": 10_000_000}
LOOKS = 2000
CANCELS = 800  # of the 6,000 that wait in the smaller queue, three times, twice
LATE = 10_000  # as many rows as the smaller queue has: what clients ask for is mostly new
WAITING = 0
LEASES = 60
WAITING_LINES = items.LINES * 6 // 10  # of a request: the rest has one iteration and is done at once
REPEATS = 5
CLIENTS = 1000
PULLED = 5  # by each client at once: in each repeat they get ten items done
OF_CLIENTS = f", {CLIENTS:,} clients"
PULLED_ALL = " who pull what is done"


def measure(bench):
    with bench.section("rows"):
        Sizes(bench).measure()


def measure_clients(bench):
    """Twice: a report costs a page of the index item_done for each of its clients that has many items
    done, and hardly more than its rows where clients pull what is done."""
    for pulled in (False, True):
        with bench.section("rows-clients"):
            sizes = Sizes(bench, servers.Keys(bench.scratch, CLIENTS), pulled)
            if pulled:
                sizes.measure_batches()
            else:
                sizes.measure()


class Sizes:
    """A node of each size; with keys, the rows and what is asked of them are spread over their clients."""

    def __init__(self, bench, keys=None, pulled=False):
        self.bench = bench
        self.keys = keys
        self.pulled = pulled
        self.suffix = (OF_CLIENTS if keys else "") + (PULLED_ALL if pulled else "")
        self.body = bench.body(16384)
        self.nodes = {name: self._node(name, rows) for name, rows in SIZES.items()}

    def _node(self, name, rows):
        maker = servers.Node(self.bench.scratch, f"maker-{rows}", self.bench.build)
        maker.stop()
        with self.bench.quiet():
            row_bytes = fill.fill(maker.database, rows, self.keys.count if self.keys else 0, self.pulled)
        settings = {"KEYS": self.keys.file} if self.keys else {}
        node = self.bench.node(f"node-{rows}", database=maker.database, PROCESSES_PUBLIC=POOL, **settings)
        if "counted again" in node.server.log.read_text():
            raise SystemExit("the counts of the rows that were made are wrong")
        self.bench.keep(f"start{self.suffix}", name, start_seconds=node.start_seconds, row_bytes=row_bytes)
        return node

    def measure(self):
        self._ask_for_some()
        self.measure_batches()  # before items come that all wait
        self._warm()
        self._interleave("enqueue 16 KB, 16 clients" if not self.keys else "enqueue 16 KB, 16 connections",
                         lambda node: load.put_for(node.url, self.body, 16, 2, 2, self.keys))

    def measure_batches(self):
        count = LEASES * 500 * REPEATS
        with self.bench.quiet():  # enough to lease, however slow this machine is
            for node in self.nodes.values():
                self._enqueue(node, count)
        cycles = {node: batches.Cycle(node, LEASES) for node in self.nodes.values()}
        self._warm()
        self._interleave("lease 500 at once", lambda node: cycles[node].lease())
        self._interleave("report 500 at once", lambda node: cycles[node].report())
        if self.keys:
            self._interleave(f"pull {PULLED} at once", self._pull_each)
        else:
            self._interleave("pull 500 at once", lambda node: cycles[node].pull())

    def _interleave(self, what, run, repeats=REPEATS):
        self.bench.interleave(f"{what}, by rows{self.suffix}", {
            name: lambda node=node: run(node) for name, node in self.nodes.items()}, repeats)

    def _warm(self):
        """Reads the database files, so that both are in memory as far as the system keeps them there: the
        smaller one is anyway, and what is compared is the work, not the disk."""
        for node in self.nodes.values():
            with open(node.database, "rb") as file:
                while file.read(1 << 24):
                    pass

    def _enqueue(self, node, count):
        """Adds so many waiting items, among others as in fill.py: where rows of all states are mixed, as many
        of them are on a page in both queues."""
        if not self.keys:
            requests = [items.request_of(items.LINES, 2, of_one=4) for _ in range(count // WAITING_LINES)]
            items.post_all(node, requests, 4, items.LINES)
            return
        while count > 0:  # in turn, so that here, too, rows stand in the order in which they are leased
            count -= load.put_for(node.url, self.body, 16, 2, 2, self.keys)["requests"]

    def _ask_for_some(self):
        """Single items, while both queues have their sizes exactly. Among all of ten million each one is
        on pages that nobody else uses, so those two measurements have no bound."""
        for what, method, among, state, count in (
                ("look", "GET", LATE, None, LOOKS), ("cancel", "DELETE", LATE, WAITING, CANCELS),
                ("look at any", "GET", None, None, LOOKS),
                ("cancel any", "DELETE", None, WAITING, CANCELS)):
            self._warm()
            self._interleave(what, lambda node, method=method, among=among, state=state, count=count:
                             self._ask_random(node, method, among, state, count), 3)

    def _ask_random(self, node, method, among, state, count):
        """Asks for random items, each with its client's key; among: only the last `among` that came
        (None: all); state: only for those in it (None: in any)."""
        requests = [talk.request(method, f"/items/{item}", token=self.keys and self.keys.tokens[client])
                    for item, client in random_items(node.database, among, state, count)]
        return ask(node, method, requests, lambda status, body: status in (200, 204))

    def _pull_each(self, node):
        """Each client pulls once."""
        requests = [talk.request("POST", f"/pullCompleted?top={PULLED}", token=token)
                    for token in self.keys.tokens[1:]]
        return ask(node, "pull", requests,
                   lambda status, body: status == 200 and body.count(b'"id"') == PULLED)


def ask(node, what, requests, is_good):
    seconds, replies, took = talk.ask_all(node.port, requests, 4)
    bad = [reply for reply in replies if not is_good(*reply)]
    if bad:
        raise SystemExit(f"{what} failed: {bad[0]}")
    took.sort()
    count = len(requests)
    return {"rate": count / seconds, "p50_ms": took[count // 2], "p99_ms": took[count * 99 // 100]}


def random_items(database, among, state, count):
    """Different ones: (id as a text, number of its client)."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    last = connection.execute("SELECT max(seq) FROM item").fetchone()[0]
    first = last - among + 1 if among else 1
    found = {}
    while len(found) < count:
        row = connection.execute("SELECT id, state, client FROM item WHERE seq = ?",
                                 (random.randint(first, last),)).fetchone()
        if row and (state is None or row[1] == state):
            found[str(uuid.UUID(bytes=row[0]))] = row[2]
    connection.close()
    return found.items()
