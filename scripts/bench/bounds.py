"""What must hold, as ratios and figures of one invocation's results."""

import dataclasses
import statistics

import eta
import items
import peers
import pulls
import rows
import shares
import standing

PUT_16 = "enqueue 16 KB, 16 clients"
PUT_256 = "enqueue 256 KB, 16 clients"
SLOW = ", fsync + 2 ms"


@dataclasses.dataclass
class Bound:
    """A figure and the least or the most that it may be."""
    what: str
    figure: float
    bound: float
    least: bool

    @property
    def held(self):
        return self.figure >= self.bound if self.least else self.figure <= self.bound

    def __str__(self):
        return f"{self.what}: {self.figure:.4g} ({'at least' if self.least else 'at most'} {self.bound:g})"


class Check:
    """Collects the bounds whose figures were measured."""

    def __init__(self, results):
        self.results = results
        self.bounds = []

    def figure(self, what, server, measure):
        return self.results.get(what, {}).get(server, {}).get(measure)

    def least(self, what, figure, bound):
        self._add(what, figure, bound, True)

    def most(self, what, figure, bound):
        self._add(what, figure, bound, False)

    def _add(self, what, figure, bound, least):
        if figure is not None:
            self.bounds.append(Bound(what, figure, bound, least))

    def ratio(self, what, one, other, measure="rate"):
        """The median over the repeats of one server's figure divided by another's, or None: the two
        of one repeat were measured just after each other, on a machine that was the same."""
        above, below = self.figure(what, one, "runs"), self.figure(what, other, "runs")
        if not above or not below:
            return None
        return statistics.median(a[measure] / b[measure] for a, b in zip(above, below))


def check(results):
    """All bounds that these results say something about."""
    found = Check(results)
    check_enqueue(found)
    check_batches_and_items(found)
    check_many(found)
    check_rows(found)
    check_standing(found)
    check_pulls(found)
    check_shares(found)
    found.least(f"{eta.WHAT}: true times within low to high", found.figure(f"{eta.WHAT}, all", "node", "held"), 0.8)
    found.most(f"{eta.WHAT}: median of high / low", found.figure(f"{eta.WHAT}, all", "node", "wide"), 2)
    found.least(f"{peers.WHAT}: part of the rate without one, COPY=async",
                found.ratio(peers.WHAT, "COPY=async", "none"), 0.85)
    found.most(f"{peers.WHAT}: processor time of the node with COPY=async against without",
               found.ratio(peers.WHAT, "COPY=async", "none", "cpu_us"), 1.15)
    return found.bounds


def check_enqueue(found):
    found.least(f"{PUT_16}: part of the loop without a store",
                found.ratio(PUT_16, "node", "no store"), 0.55)
    found.least(f"{PUT_16}: times Flask", found.ratio(PUT_16, "node", "Flask"), 6)
    found.most(f"{PUT_16}: p99, ms", found.figure(PUT_16, "node", "p99_ms"), 3)
    found.least(f"{PUT_256}: part of the loop without a store",
                found.ratio(PUT_256, "node", "no store"), 0.75)
    found.least(f"{PUT_256}: times Flask", found.ratio(PUT_256, "node", "Flask"), 5)
    found.least(f"{PUT_16}{SLOW}: a second", found.figure(PUT_16 + SLOW, "node", "rate"), 3000)
    slow_64 = "enqueue 16 KB, 64 clients" + SLOW
    found.least(f"{slow_64}: a second", found.figure(slow_64, "node", "rate"), 8000)


def check_batches_and_items(found):
    for what in ("lease 500 at once", "report 500 at once"):
        found.least(f"{what}: items a second", found.figure(what, "node", "items_per_second"), 1e5)
    one = "one item, 1000 iterations"
    found.most(f"{one}: p50, ms", found.figure(one, "node", "p50_ms"), 3)
    found.most(f"{one}: p99, ms", found.figure(one, "node", "p99_ms"), 10)
    pipeline = "50000 items x 1000 iterations"
    found.least(f"{pipeline}: part of the enqueue rate alone",
                found.ratio(pipeline, "to the last pull", "enqueue alone"), 0.8)


def check_many(found):
    for clients in items.CLIENTS:
        what = items.name_of(clients)
        found.least(f"{what}: part of the inserts alone",
                    found.ratio(what, "node", "SQL alone", "items_per_second"), 0.8)
        found.least(f"{what}: times PUT /enqueue of 16 KB",
                    found.ratio(what, "node", "PUT /enqueue", "items_per_second"), 10)


def check_rows(found):
    for suffix, whats in (
            ("", (("enqueue 16 KB, 16 clients", "rate"), ("pull 500 at once", "items_per_second"))),
            (rows.OF_CLIENTS, (("enqueue 16 KB, 16 connections", "rate"),
                               (f"pull {rows.PULLED} at once", "rate"))),
            (rows.OF_CLIENTS + rows.PULLED_ALL, ((f"pull {rows.PULLED} at once", "rate"),))):
        for what, measure in whats + (("lease 500 at once", "items_per_second"),
                                      ("report 500 at once", "items_per_second"), ("look", "rate"),
                                      ("cancel", "rate")):
            name = f"{what}, by rows{suffix}"
            found.most(f"{name}: cost with 10 million against 10 thousand",
                       found.ratio(name, "10 thousand rows", "10 million rows", measure), 1.15)
        found.most(f"start on 10 million rows{suffix}, s",
                   found.figure(f"start{suffix}", "10 million rows", "start_seconds"), 5)


def check_standing(found):
    parked = "enqueue 16 KB, 16 clients, others parked"
    found.least(f"{parked}: part of the rate without them",
                found.ratio(parked, "1,256", "none"), 0.9)
    found.least(f"{standing.WHAT_PAGES}: part of the rate without them",
                found.ratio(standing.WHAT_PAGES, f"{standing.PAGES} tabs", "none"), 0.97)
    found.most("at rest: percent of one processor",
               found.figure("at rest", "node and worker", "cpu_percent"), 0.5)
    for what in found.results:
        if what.startswith("memory"):
            found.most(f"{what}: PSS, MB", found.figure(what, "node", "pss_mb"), 64)
            found.most(f"{what}: times PSS", found.figure(what, "node", "times"), 1.05)
    found.most("largest WAL, MB", found.figure("largest WAL", "node", "wal_mb"), 64 * 1.048576)


def check_pulls(found):
    found.most(f"{pulls.ANSWER}: from done to its answer, p50, ms",
               found.figure(pulls.ANSWER, "node", "p50_ms"), 2)
    for what, measure in zip(pulls.WHATS, ("rate", "items_per_second", "items_per_second")):
        found.least(f"{what}: part of the rate without them",
                    found.ratio(what, "parked", "none", measure), 0.9)


def check_shares(found):
    for what in [shares.name_of(weights) for weights in shares.PAIRS] + [shares.WHAT_MANY]:
        found.most(f"{what}: greatest part by which a share is off", found.figure(what, "node", "off"), 0.05)
    found.least(f"{shares.WHAT_ALONE}: its share", found.figure(shares.WHAT_ALONE, "with KEYS", "share"), 1)
    found.least(f"{shares.WHAT_ALONE}: part of the rate without KEYS",
                found.ratio(shares.WHAT_ALONE, "with KEYS", "without KEYS"), 0.95)
