"""A client on plain sockets for leases, reports, pulls and single items: requests are written and
replies cut up outside the time that is measured, so that little but the server's own work is in it.
"""

import contextlib
import re
import socket
import threading
import time
import uuid

TIMEOUT_SECONDS = 40
LEASED = re.compile(rb'"id":"([0-9a-f-]{36})","chain":"([0-9a-f]{128})"')
LEASED_LOOSE = re.compile(rb'"chain":"([0-9a-f]{128})","id":"([0-9a-f-]{36})"')  # Flask sorts
WORKER = b'"protocol":1,"worker":{"name":"bench","cores":1,"kernel":"none","rate":1}'


class Connection:
    """One connection that is kept. ask() sends whole requests and returns (status, body)."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request):
        self.socket.sendall(request)
        return self.answer()

    def answer(self):
        data = self._more()
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._more()
        status = int(data[9:12])
        found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", data[:end])
        if not found and status != 204:
            raise SystemExit(f"a reply without Content-Length: {data[:end]!r}")
        parts, missing = [data[end + 4:]], (int(found[1]) if found else 0) - len(data) + end + 4
        while missing > 0:
            parts.append(self._more())
            missing -= len(parts[-1])
        return status, b"".join(parts)

    def _more(self):
        data = self.socket.recv(1 << 18)
        if not data:
            raise SystemExit("the server closed a connection in the midst of a reply")
        return data

    def close(self):
        self.socket.close()


def request(method, path, body=b"", token=None, media_type=None):
    """The bytes of a request. A GET is one as browsers send it: nginx keeps no answer to a GET with a length."""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    if method != "GET":
        head += f"Content-Length: {len(body)}\r\n"
    if token:
        head += f"Authorization: Bearer {token}\r\n"
    if media_type:
        head += f"Content-Type: {media_type}\r\n"
    return head.encode() + b"\r\n" + body


def lease_request(server, items, wait=0):
    """Returns (lease id, bytes of the request)."""
    lease = str(uuid.uuid4())
    body = b'{%s,"request":"%s","items":%d,"iterations":1000000000000,"wait":%d}' % (
        WORKER, lease.encode(), items, wait)
    return lease, request("POST", "/lease", body, server.token)


def report_request(server, lease, reply):
    """The report that makes every item of a lease's reply done. Its chains are not computed: the
    server takes them as they are, and hashing is measured elsewhere."""
    items = LEASED.findall(reply) or [pair[::-1] for pair in LEASED_LOOSE.findall(reply)]
    each = b'{"id":"%s","lease":"' + lease.encode() + b'","chain":"%s","remaining":0}'
    body = b'{%s,"items":[%s]}' % (WORKER, b",".join(each % pair for pair in items))
    return len(items), request("POST", "/results", body, server.token)


def ask_all(port, requests, connections):
    """Sends the requests on `connections` at once, each as soon as one is free. Returns
    (seconds, [(status, body)] in the order of the requests, [milliseconds of each])."""
    replies, took = [None] * len(requests), [0.0] * len(requests)
    numbers = iter(range(len(requests)))
    lock = threading.Lock()

    def work(connection):
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            began = time.perf_counter()
            replies[number] = connection.ask(requests[number])
            took[number] = (time.perf_counter() - began) * 1000

    with contextlib.ExitStack() as stack:
        open_ones = [stack.enter_context(contextlib.closing(Connection(port)))
                     for _ in range(connections)]
        threads = [threading.Thread(target=work, args=(one,)) for one in open_ones]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.perf_counter() - began, replies, took


def park(port, requests):
    """Sends each request on a connection of its own and leaves the answers to come."""
    connections = [Connection(port) for _ in requests]
    for connection, text in zip(connections, requests):
        connection.socket.sendall(text)
    return connections
