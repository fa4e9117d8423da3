"""The same queue as most would write it: Flask, gunicorn, SQLite at synchronous=FULL, one commit for
each request, the body hashed at once as hashmill does. For the benchmarks only."""

import hashlib
import os
import sqlite3
import uuid

from flask import Flask, jsonify, request

LEASE_SECONDS = 60
BODY_BYTES_MAX = 262144

app = Flask(__name__)
_connection = None

SCHEMA = """
CREATE TABLE IF NOT EXISTS item (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, chain BLOB NOT NULL,
    iterations INTEGER NOT NULL, remaining INTEGER NOT NULL, state TEXT NOT NULL, lease TEXT,
    deadline REAL, enqueued_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP, completed_at TEXT);
CREATE INDEX IF NOT EXISTS item_state ON item (state, seq);
"""


def database():
    """This process's connection, opened at the first request: gunicorn forks before it."""
    global _connection
    if _connection is None:
        _connection = sqlite3.connect(os.environ["FLASK_QUEUE"], timeout=30, isolation_level=None)
        _connection.execute("PRAGMA journal_mode = WAL")
        _connection.execute("PRAGMA synchronous = FULL")
        _connection.executescript(SCHEMA)
    return _connection


class Transaction:
    """with Transaction() as connection: commits at the end, rolls back when something goes wrong."""

    def __enter__(self):
        self.connection = database()
        self.connection.execute("BEGIN IMMEDIATE")
        return self.connection

    def __exit__(self, kind, error, trace):
        self.connection.execute("ROLLBACK" if kind else "COMMIT")


@app.put("/enqueue")
def enqueue():
    iterations = request.args.get("iterations", type=int)
    body = request.get_data()
    if not iterations or iterations < 1 or not 1 <= len(body) <= BODY_BYTES_MAX:
        return jsonify(error="iterations or body"), 400
    digest = hashlib.sha512(body).digest()
    item = str(uuid.uuid4())
    state = "done" if iterations == 1 else "waiting"
    with Transaction() as connection:
        connection.execute(
            "INSERT INTO item (id, chain, iterations, remaining, state) VALUES (?, ?, ?, ?, ?)",
            (item, digest, iterations, iterations - 1, state))
    return jsonify(id=item, digest=digest.hex()), 201, {"Location": f"/items/{item}"}


@app.post("/lease")
def lease():
    asked = request.get_json(force=True)
    with Transaction() as connection:
        rows = connection.execute(
            "UPDATE item SET state = 'leased', lease = ?, deadline = unixepoch() + ? WHERE seq IN"
            " (SELECT seq FROM item WHERE state = 'waiting' ORDER BY seq LIMIT ?)"
            " RETURNING id, chain, remaining",
            (asked["request"], LEASE_SECONDS, asked["items"])).fetchall()
    if not rows:
        return "", 204
    items = [{"id": row[0], "chain": row[1].hex(), "remaining": row[2]} for row in rows]
    return jsonify(lease=asked["request"], ttl=LEASE_SECONDS, items=items)


@app.post("/results")
def results():
    taken, lost = [], []
    with Transaction() as connection:
        for item in request.get_json(force=True)["items"]:
            done = connection.execute(
                "UPDATE item SET chain = ?, remaining = ?, state = iif(? = 0, 'done', state),"
                " completed_at = iif(? = 0, CURRENT_TIMESTAMP, NULL)"
                " WHERE id = ? AND lease = ? AND state = 'leased' AND remaining > ?",
                (bytes.fromhex(item["chain"]), item["remaining"], item["remaining"],
                 item["remaining"], item["id"], item["lease"], item["remaining"])).rowcount
            (taken if done else lost).append(item["id"])
    return jsonify(taken=taken, lost=lost)


@app.post("/pullCompleted")
def pull_completed():
    with Transaction() as connection:
        rows = connection.execute(
            "UPDATE item SET state = 'pulled' WHERE seq IN"
            " (SELECT seq FROM item WHERE state = 'done' ORDER BY seq DESC LIMIT ?)"
            " RETURNING id, chain, iterations, enqueued_at, completed_at",
            (request.args.get("top", type=int),)).fetchall()
    return jsonify([{"id": row[0], "value": row[1].hex(), "iterations": row[2],
                     "enqueued_at": row[3], "completed_at": row[4]} for row in rows])


@app.get("/items/<item>")
def look(item):
    row = database().execute("SELECT state, chain FROM item WHERE id = ?", (item,)).fetchone()
    if not row:
        return jsonify(error="no such item"), 404
    return jsonify(id=item, state=row[0], value=row[1].hex() if row[0] == "done" else None)
