"""The results as Markdown tables, one for each kind of measurement; and the chart, throughput and p99 of 16 KB enqueues
against clients, drawn by gnuplot."""

import re
import subprocess

import bounds

REFERENCES = ("Flask", "beanstalkd", "Redis")  # what many would take instead
SERVERS = ("node", "no store", "constant", "FULL each") + REFERENCES


def tables(results):
    """The text: enqueues, batches, then everything else line by line."""
    enqueues = {what: by for what, by in results.items()
                if what.startswith("enqueue") and "node" in by}
    batches = {what: by for what, by in results.items()
               if " at once" in what and "Flask" in by}
    parts = []
    if enqueues:
        parts.append(table("requests/s, p99 in ms", enqueues,
                           lambda figures: f"{count(figures['rate'])}, {figures['p99_ms']:.1f}"))
        parts += ratios(results, enqueues)
    if batches:
        parts.append(table("items/s, p99 of a request in ms", batches, lambda figures:
                           f"{count(figures['items_per_second'])}, {figures['p99_ms']:.1f}"))
    others = [line for what, by in results.items() if what not in enqueues and what not in batches
              for line in lines(what, by)]
    if others:
        parts.append("\n".join(["| | | |", "|---|---|---|"] + others))
    return "\n\n".join(parts) + "\n"


def ratios(results, enqueues):
    """A table of how many times as many requests a node takes, if there is any."""
    ratio = bounds.Check(results).ratio
    rows = {what: {name: ratio(what, "node", name) for name in REFERENCES if ratio(what, "node", name)}
            for what in enqueues}
    rows = {what: by for what, by in rows.items() if by}
    return [table("rate of node, divided by that of", rows, lambda times: f"{times:.2f}")] if rows else []


def table(title, rows, cell):
    """A row for each measurement, a column for each server."""
    columns = [name for name in SERVERS if any(name in by for by in rows.values())]
    text = [f"| {title} | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for what, by in rows.items():
        cells = [cell(by[name]) if name in by else "" for name in columns]
        text.append(f"| {what} | " + " | ".join(cells) + " |")
    return "\n".join(text)


def lines(what, by):
    for name, figures in by.items():
        shown = ", ".join(one(measure, value) for measure, value in figures.items()
                          if measure not in ("runs", "requests", "max_ms", "parts"))
        yield f"| {what} | {name} | {shown} |"


UNITS = {"rate": "/s", "items_per_second": " items/s", "p50_ms": " ms (p50)", "p99_ms": " ms (p99)",
         "sent_p50_ms": " ms (p50) from the report's start", "sent_p99_ms": " ms (p99)",
         "start_seconds": " s", "row_bytes": " bytes a row", "pss_mb": " MB PSS",
         "server_mb": " MB of it hashmill-fcgi", "nginx_mb": " MB nginx", "wal_mb": " MB", "times": " times",
         "rate_mb": " MB/s", "cpu_percent": " % of one processor", "share": " of the iterations",
         "due": " due", "off": " off at most", "off_in_a_tenth": " in any tenth of it", "off_median": " by the median",
         "cpu_us": " us of processor time for each", "held": " of the true times within low to high",
         "wide": " is the median of high / low", "none": " without a forecast"}


def one(measure, value):
    if isinstance(value, str):
        return value
    text = count(value) if value >= 1000 else f"{value:.3g}"
    return text + UNITS.get(measure, " " + measure)


def count(value):
    """A large number to three digits, as in 14.1 k."""
    if value < 1000:
        return f"{value:.0f}"
    return f"{value / 1000:.1f} k" if value < 100000 else f"{value / 1000:.0f} k"


CURVES = (("no store", "no store at all", "#888888"), ("node", "hashmill", "#1f77b4"),
         ("FULL each", "one FULL commit each", "#d62728"), ("Flask", "Flask + gunicorn", "#ff7f0e"))
SCRIPT = """
set terminal svg size 860,360 font "sans-serif,13" background "white"
set output "{output}"
set multiplot layout 1,2
set logscale x 2
set xtics ({tics})
set xlabel "clients"
set grid ytics lc rgb "#dddddd"
set key top left
set yrange [0:*]
set title "durable enqueues of 16 KB a second"
plot {rates}
set logscale y
set yrange [0.1:*]
set title "p99, milliseconds"
plot {tails}
"""


def draw(results, output):
    """Writes the SVG; does nothing when fewer than two numbers of clients were measured."""
    points = {}
    for what, by in results.items():
        found = re.fullmatch(r"enqueue 16 KB, (\d+) clients?", what)
        if found:
            points[int(found[1])] = by
    if len(points) < 2:
        return
    lines = [line for line in CURVES if all(line[0] in by for by in points.values())]
    blocks = "".join(data_block(points, name, number) for number, (name, _, _) in enumerate(lines))
    script = blocks + SCRIPT.format(
        output=output, tics=", ".join(str(clients) for clients in sorted(points)),
        rates=curves(lines, 2), tails=curves(lines, 3))
    subprocess.run(["gnuplot"], input=script, text=True, check=True)


def data_block(points, name, number):
    rows = "\n".join(f"{clients} {points[clients][name]['rate']} {points[clients][name]['p99_ms']}"
                     for clients in sorted(points))
    return f"$data{number} << END\n{rows}\nEND\n"


def curves(lines, column):
    return ", ".join(f'$data{number} using 1:{column} with linespoints lw 2 pt 7 ps 0.6 '
                     f'lc rgb "{colour}" title "{title}"'
                     for number, (_, title, colour) in enumerate(lines))
