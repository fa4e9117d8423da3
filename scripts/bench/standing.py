"""What a node takes besides time: memory, the WAL's size, processor time at rest; and what a thousand
parked requests, or a hundred pages, cost the others."""

import contextlib
import pathlib
import re
import resource
import threading
import time

import load
import servers
import talk
from measure import POOL

MB = 1e6
PAGES = 100  # the page under /ui/, open in as many tabs, and how often each asks
PAGE_SECONDS = 2
PAGE_PATHS = ("/stats", "/stats/running")
REPEATS = 101  # two runs of one kind differ by 9 %, and what the pages cost is 1 %
PARTS = 10  # in which the load is made, and the memory measured behind each
WHAT_PAGES = "enqueue 16 KB, 16 clients, pages open"
LONG_SECONDS = 600  # a load that says whether memory stays as it is


def measure_memory(bench):
    """PSS of all processes of a node with default settings, at rest and after load of the largest
    bodies and batches; the largest WAL seen meanwhile. After a long load also the growth of PSS from
    the third part of the load, when caches are full, to its largest later."""
    with bench.section("memory"):
        node = bench.node("node")
        node.start_worker(bench.build / "hashmill-worker")
        large, small = bench.body(262144), bench.body(16384)
        bench.keep("memory at rest", "node", **memory(node))
        seconds = 1 if bench.options.quick else max(bench.options.soak // PARTS, 1)
        used = []
        with bench.quiet(), WalWatch(node) as wal:
            for body in [large] * (PARTS // 2) + [small] * (PARTS // 2):
                load.put_for(node.url, body, 64, seconds)
                used.append(memory(node)["pss_mb"])
            pull_all(node)
        what = f"memory after {PARTS * seconds} s of load"
        bench.keep(what, "node", **memory(node), parts=used)
        if PARTS * seconds >= LONG_SECONDS:
            bench.keep(f"{what}, growth", "node", times=max(used[2:]) / used[2])
        bench.keep("largest WAL", "node", wal_mb=wal.largest_bytes / MB)


def pull_all(node):
    connection = talk.Connection(node.port)
    while connection.ask(talk.request("POST", "/pullCompleted?top=1000"))[1].count(b'"value"'):
        pass
    connection.close()


def memory(node):
    """Megabytes of PSS, of hashmill-fcgi and of nginx."""
    server, nginx = (sum(map(pss_bytes, servers.family(process.child.pid)))
                     for process in (node.server, node.nginx.process))
    return {"pss_mb": (server + nginx) / MB, "server_mb": server / MB, "nginx_mb": nginx / MB}


def pss_bytes(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return 1024 * int(re.search(r"^Pss: +(\d+) kB", text, re.MULTILINE)[1])


class WalWatch:
    """Watches the size of a node's WAL while it is entered."""

    def __init__(self, node):
        self.path = pathlib.Path(f"{node.database}-wal")
        self.largest_bytes = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self):
        while not self._over.wait(0.1):
            self.largest_bytes = max(self.largest_bytes, self.path.stat().st_size)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *unused):
        self._over.set()
        self._thread.join()


def measure_idle(bench):
    """Processor time of a node and its worker when nothing comes in, in percent of one processor."""
    with bench.section("idle"):
        node = bench.node("node")
        worker = node.start_worker(bench.build / "hashmill-worker")
        connection = talk.Connection(node.port)
        _, reply = connection.ask(talk.request("PUT", "/enqueue?iterations=1000", b"first"))
        item = reply[reply.find(b'"id":"') + 6:][:36].decode()
        connection.ask(talk.request("GET", f"/items/{item}?wait=30"))  # the worker is there
        connection.close()
        time.sleep(1)
        pids = node.process_ids() + servers.family(worker.child.pid)
        seconds = 5 if bench.options.quick else 15
        with bench.quiet():
            before, began = sum(map(run_ns, pids)), time.perf_counter()
            time.sleep(seconds)
            used = sum(map(run_ns, pids)) - before
            percent = used / 1e7 / (time.perf_counter() - began)
        bench.keep("at rest", "node and worker", cpu_percent=percent)


def run_ns(pid):
    """Nanoseconds that a process, all its threads, has run."""
    return sum(int(task.read_text().split()[0])
               for task in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"))


def measure_parked(bench):
    """Enqueues beside 1,000 GET ?wait and 256 leases that wait. Its items have one iteration, so that
    they are done at once and nobody who waits is woken."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    with bench.section("parked"):
        body = bench.body(16384)
        node = bench.node("node", PROCESSES_PUBLIC=POOL, WAIT_SLOTS_PUBLIC=1000, WAIT_SLOTS_WORKER=256)
        with bench.quiet():
            load.put_for(node.url, body, 16, 1, iterations=1)
        bench.interleave("enqueue 16 KB, 16 clients, others parked", {
            "none": lambda: load.put_for(node.url, body, 16, bench.seconds, iterations=1),
            "1,256": lambda: put_beside_parked(bench, node, body)}, 2 if bench.options.quick else 9)


def put_beside_parked(bench, node, body):
    """One run while all slots are taken. What they wait for does not come."""
    connection = talk.Connection(node.port)
    _, reply = connection.ask(talk.request("PUT", "/enqueue?iterations=1000000", b"never"))
    connection.close()
    item = reply[reply.find(b'"id":"') + 6:][:36].decode()
    worker = talk.Connection(node.worker_port)
    lease, text = talk.lease_request(node, 1)
    _, reply = worker.ask(text)
    waits = talk.park(node.port, [talk.request("GET", f"/items/{item}?wait=30")] * 1000)
    waits += talk.park(node.worker_port,
                       [talk.lease_request(node, 1, wait=25)[1] for _ in range(256)])
    try:
        wait_parked(node, len(waits))
        return load.put_for(node.url, body, 16, bench.seconds, iterations=1)
    finally:
        for one in waits:
            one.close()
        worker.ask(talk.report_request(node, lease, reply)[1])
        worker.close()
        wait_parked(node, 0)


def measure_pages(bench):
    """Enqueues while the page is open in many tabs. Each has a connection and asks in its turn, so that they are
    spread over the time between two updates."""
    with bench.section("pages"):
        body = bench.body(16384)
        node = bench.node("node", PROCESSES_PUBLIC=POOL)
        with bench.quiet():
            load.put_for(node.url, body, 16, 1)
        bench.interleave(WHAT_PAGES, {
            "none": lambda: load.put_for(node.url, body, 16, bench.seconds),
            f"{PAGES} tabs": lambda: put_beside_pages(bench, node, body)}, 3 if bench.options.quick else REPEATS)


def put_beside_pages(bench, node, body):
    with pages(node.port):
        return load.put_for(node.url, body, 16, bench.seconds)


@contextlib.contextmanager
def pages(port):
    over = threading.Event()
    failed = []

    def ask():
        connections = [talk.Connection(port) for _ in range(PAGES)]
        number, due = 0, time.monotonic()
        while not over.wait(max(due - time.monotonic(), 0)) and not failed:
            for path in PAGE_PATHS:
                status, reply = connections[number % PAGES].ask(talk.request("GET", path))
                if status != 200:
                    failed.append(f"GET {path}: {status} {reply[:300]!r}")
            number, due = number + 1, due + PAGE_SECONDS / PAGES
        for connection in connections:
            connection.close()

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    if failed:
        raise SystemExit(failed[0])


def wait_parked(node, count, token=None):
    """Returns when /stats says that count requests are parked. token: a key that may ask."""
    connection = talk.Connection(node.port)
    give_up_at = time.monotonic() + 20
    while True:
        _, reply = connection.ask(talk.request("GET", "/stats?", token=token))
        if re.search(rb'"parked":%d\b' % count, reply):
            connection.close()
            return
        if time.monotonic() > give_up_at:
            raise SystemExit(f"not {count} requests are parked: {reply!r}")
        time.sleep(0.005)
