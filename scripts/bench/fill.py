"""Databases to begin with: many rows, always the same shares in each state, written straight into a
file that the server itself has made."""

import os
import sqlite3
import time

import servers

# Six tenths are waiting, two done, two pulled, mixed; iterations are 2. The clock has moved by a
# millisecond for every ten items. Clients take turns; each has the same shares in each state.
ROWS = """
WITH RECURSIVE number(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n + 1 < :rows)
INSERT INTO item (id, digest, chain, iterations, remaining, state, rank, since, enqueued_wall,
    done_at, done_wall, closed, client)
SELECT make_id(:wall + n / 10), randomblob(64), randomblob(64), 2, n / :turn % 10 < 6,
    CASE n / :turn % 10 WHEN 6 THEN :done WHEN 7 THEN :done WHEN 8 THEN 3 WHEN 9 THEN 3 ELSE 0 END,
    n / 10, n / 10, :wall + n / 10,
    iif(n / :turn % 10 < 6, NULL, n / 10 + 1), iif(n / :turn % 10 < 6, NULL, :wall + n / 10 + 1),
    iif(n / :turn % 10 < iif(:done = 3, 6, 8), NULL, n / 10 + 1), iif(:clients = 0, 0, n % :turn + 1)
FROM number
"""
TALLY = """
UPDATE tally SET clock = :rows / 10 + 2, waiting = :rows * 6 / 10, done = iif(:done = 3, 0, :rows * 2 / 10),
    pulled = :rows * iif(:done = 3, 4, 2) / 10, remaining = :rows * 6 / 10, top = :rows / 10
"""
CLIENT = """
INSERT OR REPLACE INTO client (seq, name, finish, waiting, done, pulled, remaining)
SELECT :seq, :name, top, waiting / :turn, done / :turn, pulled / :turn, remaining / :turn FROM tally
"""


def make_id(wall_ms):
    """A UUIDv7 of node 0."""
    text = bytearray(wall_ms.to_bytes(6, "big") + os.urandom(10))
    text[6] = 0x70 | text[6] & 0x0f
    text[8], text[9] = 0x80, text[9] & 0x3f
    return bytes(text)


def fill(path, rows, clients=0, pulled=False):
    """Adds rows, a multiple of ten, to an empty database that no server has open: of nobody, or of
    that many clients, ten or a multiple of ten for each. pulled: what is done was pulled, too.
    Returns the file's bytes for each row."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.create_function("make_id", 1, make_id)
    for pragma in ("journal_mode = DELETE", "synchronous = OFF", "cache_size = -1000000"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    values = {"rows": rows, "wall": int(time.time() * 1000) - rows // 10 - 10000,
              "clients": clients, "turn": clients or 1, "done": 3 if pulled else 2}
    connection.execute("BEGIN EXCLUSIVE")
    connection.execute(ROWS, values)
    connection.execute(TALLY, values)
    for seq in range(1, clients + 1) if clients else (0,):
        name = servers.client_name(seq) if seq else ""
        connection.execute(CLIENT, {**values, "seq": seq, "name": name})
    connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode = WAL").fetchall()
    connection.close()
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
    return os.stat(path).st_size / rows


def fill_flask(path, rows):
    """Adds waiting items to the database of flask_queue.py."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.create_function("make_id", 1, lambda n: "%08x-0000-4000-8000-%012x" % (n, n))
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(
        "WITH RECURSIVE number(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n + 1 < ?)"
        " INSERT INTO item (id, chain, iterations, remaining, state)"
        " SELECT make_id(n), randomblob(64), 2, 1, 'waiting' FROM number", (rows,))
    connection.execute("COMMIT")
    connection.close()
