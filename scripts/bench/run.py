#!/usr/bin/python3
"""Measures the queue beside what it is judged by, in one invocation: interleaved repeats, medians.

    make bench             everything, some 55 minutes; build/bench.json, .md and .svg
    make bench CHECK=1     and fail when a bound is missed
    make bench-quick       the main ratios in about a minute

Load, nginx and servers share this machine's processors, so absolute figures are the machine's; the
ratios are what counts.
"""

import argparse
import json
import os
import pathlib
import platform
import shutil
import signal
import sys

import backup
import batches
import bounds
import enqueue
import eta
import items
import measure
import peers
import pulls
import rows
import shares
import standing
import table
import whole

SECTIONS = {
    "enqueue": enqueue.measure,
    "items": items.measure,
    "batches": batches.measure,
    "pipeline": whole.measure_pipeline,
    "single": whole.measure_single,
    "enqueue-slow": enqueue.measure_slow,
    "batches-slow": batches.measure_slow,
    "pipeline-slow": lambda bench: whole.measure_pipeline(bench, slow=True),
    "single-slow": lambda bench: whole.measure_single(bench, slow=True),
    "rows": rows.measure,
    "rows-clients": rows.measure_clients,
    "memory": standing.measure_memory,
    "idle": standing.measure_idle,
    "parked": standing.measure_parked,
    "pages": standing.measure_pages,
    "pulls": pulls.measure,
    "shares": shares.measure,
    "peers": peers.measure,
    "backup": backup.measure,
    "eta": eta.measure,
}
QUICK = ("enqueue", "batches", "single", "enqueue-slow")


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", help="directory with the programs")
    parser.add_argument("--out", default="build/bench", help="what the result files' names begin with")
    parser.add_argument("--quick", action="store_true", help="the main ratios only")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a bound is missed")
    parser.add_argument("--only", default="", metavar="SECTION,...",
                        help="measure these only and keep the rest of the result file: "
                        + ", ".join(SECTIONS))
    parser.add_argument("--soak", type=int, default=20, metavar="SECONDS",
                        help="how long the load before the memory is measured lasts (20)")
    parser.add_argument("--lock", metavar="FILE",
                        help="lock this file while measuring, where several people measure")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.only.split(",") if name and name not in SECTIONS]
    if unknown:
        parser.error(f"no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    return arguments


def check_out(arguments):
    """Results replace earlier results, and nothing else."""
    files = [pathlib.Path(f"{arguments.out}.{end}") for end in ("json", "md", "svg")]
    there = [file for file in files if os.path.lexists(file)]
    for file in there:
        if file.is_symlink() or not file.is_file():
            raise SystemExit(f"--out: {file} is no plain file and stays; name another")
    try:
        if there and "results" not in json.loads(files[0].read_text()):
            raise ValueError
    except (OSError, ValueError, TypeError):
        raise SystemExit(f"--out: {there[0]} is no result of this program and stays; name another") from None
    files[0].parent.mkdir(parents=True, exist_ok=True)


def check_tools():
    missing = [name for name in ("wrk", "h2load", "gnuplot", "/usr/bin/gunicorn")
               if not shutil.which(name)]
    if missing:
        raise SystemExit(f"missing: {', '.join(missing)}; scripts/bench.sh installs them")


def machine():
    """What the figures depend on."""
    model = next((line.split(":", 1)[1].strip()
                  for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    return {"processor": model, "processors": os.cpu_count(), "kernel": platform.release()}


def run_sections(arguments, names):
    """Returns all results, those kept from an earlier run included."""
    out = pathlib.Path(f"{arguments.out}.json")
    with measure.Bench(arguments) as bench:
        if arguments.only and out.exists():
            bench.results = json.loads(out.read_text())["results"]
        for name in names:
            SECTIONS[name](bench)
            text = json.dumps({"machine": machine(), "results": bench.results}, indent=1)
            out.write_text(text + "\n")
        return bench.results


def report(arguments, results):
    """Writes the table and the chart; says what the bounds say. Returns whether all held."""
    text = table.tables(results)
    pathlib.Path(f"{arguments.out}.md").write_text(text)
    print(text)
    table.draw(results, f"{arguments.out}.svg")
    checked = bounds.check(results)
    for bound in checked:
        if bound.held:
            print(f"held    {bound}")
    for bound in checked:
        if not bound.held:
            print(f"MISSED  {bound}")
    return all(bound.held for bound in checked)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that servers are stopped, too
    arguments = read_arguments()
    check_out(arguments)
    check_tools()
    names = [name for name in arguments.only.split(",") if name]
    names = names or (QUICK if arguments.quick else list(SECTIONS))
    results = run_sections(arguments, names)
    held = report(arguments, results)
    if arguments.check and not held:
        sys.exit(1)


if __name__ == "__main__":
    main()
