"""How good the forecasts of GET /items/ID are: random items, from a fleet that is idle to one that gets ten times
what it can do, while workers come and go. Each look at an unfinished item is compared with when it was done."""

import datetime
import hashlib
import json
import math
import os
import random
import time

import talk

LONGEST = 1           # seconds of all workers for the longest item, which is one chain and takes some 30 beside others
DECADES = 4           # of lengths, each as likely as any other
# What comes in a second, of what the workers can do in one; and for how many seconds.
LOADS = {"idle, a fifth": (0.2, 50), "half": (0.5, 45), "full": (1, 45), "ten times too much": (10, 6)}
ITEMS = 50            # watched ones of each load
WORKERS = 2           # with one thread each
ON_SECONDS, OFF_SECONDS = 60, 15  # how long one is there and away, in the mean
GIVE_UP_SECONDS = 400
WHAT = "forecasts"


def measure(bench):
    quick = bench.options.quick
    with bench.section("eta"), bench.quiet():
        node = bench.node("node")
        draw = random.Random(1)
        rate = fleet_rate(bench, node)
        everything = []
        for name, (load, seconds) in LOADS.items():
            seconds, count = (seconds / 5, ITEMS // 5) if quick else (seconds, ITEMS)
            looks = Run(bench, node, draw, rate, load).looks(count, seconds)
            bench.keep(f"{WHAT}, {name}", "node", **figures(looks))
            everything += looks
            if os.environ.get("ETA_LOOKS"):
                with open(os.environ["ETA_LOOKS"], "a", encoding="ascii") as file:
                    file.writelines(json.dumps({**look, "load": name}) + "\n" for look in looks)
        bench.keep(f"{WHAT}, all", "node", **figures(everything))


def fleet_rate(bench, node):
    """Iterations a second of all workers, as they tell it when all their lanes have been busy for a while."""
    ask = Asker(node)
    workers = [node.start_worker(bench.build / "hashmill-worker", THREADS=1) for _ in range(WORKERS)]
    for _ in range(WORKERS * 16):
        ask.enqueue(20_000_000)
    time.sleep(5)
    rate = sum(worker["rate"] for worker in ask.get("/stats")["fleet"]["workers"][:WORKERS])
    while ask.get("/stats")["remaining"] > 0:
        time.sleep(0.2)
    for worker in workers:
        worker.stop()
    node.workers.clear()
    return rate


class Asker:
    def __init__(self, node):
        self.connection = talk.Connection(node.port)

    def get(self, path):
        status, body = self.connection.ask(talk.request("GET", path))
        if status != 200:
            raise SystemExit(f"GET {path}: {status} {body[:300]!r}")
        return json.loads(body)

    def enqueue(self, iterations):
        line = json.dumps({"digest": hashlib.sha512(os.urandom(16)).hexdigest(), "iterations": iterations})
        status, body = self.connection.ask(
            talk.request("POST", "/items", line.encode() + b"\n", None, "application/x-ndjson"))
        if status != 200 or b'"id":' not in body:
            raise SystemExit(f"POST /items: {status} {body[:300]!r}")
        return json.loads(body.splitlines()[0])["id"]


class Watched:
    """An item that is looked at: at once, then less and less often, at random moments."""

    def __init__(self, item, iterations, now):
        self.item, self.iterations, self.began, self.looks, self.next = item, iterations, now, [], now

    def look(self, ask, draw):
        got = ask.get(f"/items/{self.item}")
        now = time.time()
        if "completed_at" in got:
            return moment(got["completed_at"])
        self.looks.append({**{key: value for key, value in got.items() if key != "id"}, "at": now})
        self.next = now + (0.05 + min((now - self.began) / 3, 5)) * draw.uniform(0.5, 1.5)
        return None


class Run:
    """Items that come with a load, for workers with that rate."""

    def __init__(self, bench, node, draw, rate, load):
        self.bench, self.node, self.draw = bench, node, draw
        self.longest = int(rate * LONGEST)
        # The mean of lengths whose logarithms are even over the decades, by what is computed in a second.
        self.pause = self.longest / math.log(10 ** DECADES) / (rate * load)
        self.ask = Asker(node)
        now = time.time()
        self.turns = [now for _ in range(WORKERS)]  # when each worker comes or goes
        self.workers = [None] * WORKERS
        self.found = []
        self.watched = []

    def looks(self, count, seconds):
        many = max(count, int(seconds / self.pause))
        chosen = set(self.draw.sample(range(many), count))
        due = time.time() + 1
        give_up = time.time() + GIVE_UP_SECONDS
        number = 0
        while (number < many or self.watched) and time.time() < give_up:
            now = time.time()
            self.change_workers(now)
            while number < many and now >= due:
                iterations = int(self.longest / 10 ** (DECADES * self.draw.random())) + 2
                item = self.ask.enqueue(iterations)
                if number in chosen:
                    self.watched.append(Watched(item, iterations, now))
                number += 1
                due += self.draw.expovariate(1 / self.pause)
            self.look_around()
            time.sleep(0.005)
        while self.ask.get("/stats")["remaining"] > 0 and time.time() < give_up:
            self.change_workers(time.time())
            time.sleep(0.2)
        self.node.stop_workers()
        if self.watched:
            raise SystemExit(f"{len(self.watched)} items were not done in {GIVE_UP_SECONDS} s")
        return self.found

    def change_workers(self, now):
        for number, turn in enumerate(self.turns):
            if now < turn:
                continue
            if self.workers[number]:
                self.node.workers.remove(self.workers[number])
                self.workers[number].stop()
                self.workers[number] = None
            else:
                self.workers[number] = self.node.start_worker(self.bench.build / "hashmill-worker", THREADS=1)
            mean = ON_SECONDS if self.workers[number] else OFF_SECONDS
            self.turns[number] = now + min(self.draw.expovariate(1 / mean), 3 * mean)

    def look_around(self):
        for one in [one for one in self.watched if one.next <= time.time()]:
            done = one.look(self.ask, self.draw)
            if done is not None:
                self.watched.remove(one)
                self.close(one, done)

    def close(self, one, done):
        """Each look counts with the part of the item's life until the next one."""
        ends = [look["at"] for look in one.looks[1:]] + [done]
        life = max(done - one.looks[0]["at"], 1e-3) if one.looks else 0
        for look, end in zip(one.looks, ends):
            look.update(done=done, left=done - look["at"], part=max(end - look["at"], 0) / life,
                        workers=sum(worker is not None for worker in self.workers))
            self.found.append(look)


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def figures(looks):
    """Of looks with a forecast: the share that held, and the median of high / low; each item counts once."""
    with_one = [look for look in looks if "eta_seconds" in look and look["part"] > 0]
    weight = sum(look["part"] for look in with_one)
    held = sum(look["part"] for look in with_one if holds(look))
    width = sorted((wide(look), look["part"]) for look in with_one)
    middle, passed = 0, 0
    for ratio, part in width:
        passed += part
        if passed >= weight / 2:
            middle = ratio
            break
    return {"held": held / weight if weight else 0, "wide": middle, "looks": len(with_one),
            "none": 1 - weight / max(sum(look["part"] for look in looks), 1e-9)}


def holds(look):
    """To the millisecond, in which times are told."""
    return look["eta_seconds_low"] - 0.001 <= look["left"] <= look["eta_seconds_high"] + 0.001


def wide(look):
    return look["eta_seconds_high"] / max(look["eta_seconds_low"], 0.001)
