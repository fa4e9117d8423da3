"""The chart: throughput and p99 of 16 KB enqueues against clients, drawn by gnuplot."""

import re
import subprocess

LINES = (("no store", "no store at all", "#888888"), ("node", "hashmill", "#1f77b4"),
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
    lines = [line for line in LINES if all(line[0] in by for by in points.values())]
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
