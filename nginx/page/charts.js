// The charts of GET /stats/history, drawn by dygraphs (Debian's libjs-dygraphs), and the same as tables. Without the
// library the tables are what is shown.

import { byId, fill, parts, setAttribute, setText, show } from './dom.js';
import { axis, count, dayAndMonth, duration, minuteOf, short, time } from './format.js';
import { WAIT_GOAL } from './overview.js';

const perSecond = (sums, { seconds }) => sums.map((sum, at) => (sum === null || !seconds[at] ? null : sum / seconds[at]));

// label: of the legend; column: of the answer.
const charts = [
    { title: 'Items per second', read: perSecond, text: short, axis, series: [['in', 'enqueued'], ['done', 'done'], ['pulled', 'pulled']] },
    { title: 'Iterations per second', read: perSecond, text: short, axis, series: [['iterations', 'iterations']], filled: true },
    { title: 'Oldest wait', text: duration, series: [['oldest wait', 'oldest_wait_seconds']], goal: WAIT_GOAL },
    { title: 'Workers', text: count, series: [['workers', 'workers'], ['machines', 'machines']], steps: true, dashed: 'machines' },
];

let library = null; // whether it is there; null: not known yet
let data = null;    // the newest answer

function loadLibrary() {
    return new Promise((resolve) => {
        const script = document.createElement('script');
        script.src = 'lib/dygraph.js';
        script.onload = () => {
            // Its legend has styles in its HTML, which are forbidden here; the page has one of its own.
            const { Dygraph } = window;
            Dygraph.PLUGINS = Dygraph.PLUGINS.filter((plugin) => plugin !== Dygraph.Plugins.Legend);
            resolve(true);
        };
        script.onerror = () => resolve(false);
        document.head.append(script);
    });
}

// A colour of the style sheet as the canvas needs it.
function colour(name) {
    const probe = byId('charts');
    probe.style.setProperty('color', `var(${name})`);
    const value = getComputedStyle(probe).color;
    probe.style.removeProperty('color');
    return value;
}

const colours = (chart) => chart.series.map((_, at) => colour(`--series-${at + 1}`));

function tick(ms) {
    const date = new Date(ms);
    return data.span === '30d' || (date.getHours() === 0 && date.getMinutes() === 0 && data.span !== '1h') ? dayAndMonth(ms) : minuteOf(ms);
}

// A line where the oldest wait should stay below.
function drawGoal(context, area, graph, goal) {
    const y = Math.round(graph.toDomYCoord(goal)) + 0.5;
    context.save();
    context.strokeStyle = colour('--warn');
    context.setLineDash([4, 4]);
    context.beginPath();
    context.moveTo(area.x, y);
    context.lineTo(area.x + area.w, y);
    context.stroke();
    context.fillStyle = colour('--warn');
    context.font = '11px system-ui, sans-serif';
    context.fillText(`${goal} s`, area.x + 4, y - 4);
    context.restore();
}

function highest(rows) {
    let most = 0;
    for (const row of rows) for (let at = 1; at < row.length; at++) if (row[at] > most) most = row[at];
    return most;
}

function look(chart) {
    return { colors: colours(chart), gridLineColor: colour('--grid'), axisLineColor: colour('--line'),
        valueRange: [0, Math.max(highest(chart.rows) * 1.1, chart.goal ? chart.goal * 1.4 : 0, chart.steps ? 2 : 0) || 1] };
}

function select(row) {
    for (const chart of charts) {
        chart.chosen = row;
        if (row === undefined) chart.graph?.clearSelection();
        else chart.graph?.setSelection(row);
        showLegend(chart);
    }
}

function makeGraph(chart) {
    chart.graph = new window.Dygraph(parts(chart.figure).plot, chart.rows, {
        ...look(chart), labels: ['at', ...chart.series.map(([label]) => label)], interactionModel: {},
        strokeWidth: 1.75, fillGraph: chart.filled ?? false, fillAlpha: 0.14, stepPlot: chart.steps ?? false, gridLineWidth: 1,
        series: chart.dashed ? { [chart.dashed]: { strokePattern: [5, 4] } } : {},
        highlightCircleSize: 3.5, animatedZooms: false, rightGap: 8, xAxisHeight: 22,
        axes: {
            x: { drawGrid: false, axisLabelFormatter: tick, pixelsPerLabel: 72, axisLabelFontSize: 11, axisLabelWidth: 60 },
            y: { axisLabelFormatter: chart.axis ?? chart.text, pixelsPerLabel: 32, axisLabelFontSize: 11, axisLabelWidth: 46 },
        },
        underlayCallback: chart.goal ? (context, area, graph) => drawGoal(context, area, graph, chart.goal) : null,
        highlightCallback: (event, x, points, row) => select(row),
        unhighlightCallback: () => select(undefined),
    });
    new ResizeObserver(() => chart.graph.resize()).observe(parts(chart.figure).plot);
}

function makeFigure(chart) {
    const figure = byId('chart-figure').content.firstElementChild.cloneNode(true);
    const part = parts(figure);
    chart.figure = figure;
    fill(figure, { title: chart.title, titleToo: chart.title });
    setAttribute(part.scroll, 'aria-label', `Table of the chart ${chart.title}`);
    chart.legend = chart.series.map(([label], at) => {
        const entry = document.createElement('span');
        const [swatch, name, value] = ['i', 'span', 'b'].map((tag) => document.createElement(tag));
        swatch.className = `series-${at + 1}`;
        name.textContent = label;
        entry.append(swatch, name, ' ', value);
        part.legend.append(entry);
        return value;
    });
    chart.moment = part.legend.appendChild(document.createElement('span'));
    chart.moment.className = 'muted';
    for (const label of ['Time', ...chart.series.map(([name]) => name)]) {
        const head = part.head.appendChild(document.createElement('th'));
        head.scope = 'col';
        head.textContent = label;
    }
    figure.querySelector('details').addEventListener('toggle', () => showTable(chart));
    byId('charts').append(figure);
}

// The values under the pointer, or else the last ones.
function showLegend(chart) {
    const row = chart.rows[chart.chosen ?? chart.rows.length - 1];
    chart.legend.forEach((value, at) => setText(value, row ? chart.text(row[at + 1], '') || '–' : '–'));
    setText(chart.moment, row && chart.chosen !== undefined ? time(row[0]) : '');
}

// The newest first. Made only while it is open.
function showTable(chart) {
    if (!chart.figure.querySelector('details').open) return;
    const { body } = parts(chart.figure);
    const lines = chart.rows.toReversed();
    while (body.rows.length > lines.length) body.deleteRow(-1);
    lines.forEach((line, at) => {
        const row = body.rows[at] ?? body.insertRow();
        line.forEach((value, column) => {
            const cell = row.cells[column] ?? row.insertCell();
            setText(cell, column === 0 ? time(value) : chart.text(value, '') || '–');
        });
    });
}

function showChart(chart) {
    const { columns } = data;
    const values = chart.series.map(([, name]) => (chart.read ?? ((column) => column))(columns[name], columns));
    chart.rows = columns.at.map((at, row) => [new Date(at * 1000), ...values.map((column) => column[row])]);
    if (!chart.figure) makeFigure(chart);
    showLegend(chart);
    showTable(chart);
    show(parts(chart.figure).plot, library);
    if (!library) return;
    if (!chart.graph) makeGraph(chart);
    else chart.graph.updateOptions({ file: chart.rows, ...look(chart) });
}

// Draws what GET /stats/history has told; null: it has nothing for this reader.
export async function showHistory(history) {
    data = history;
    show(byId('history'), history !== null);
    if (!history) return;
    library ??= await loadLibrary();
    const known = data.columns.seconds.some((seconds) => seconds !== null);
    setText(byId('history-note'), `Nothing yet: the first point comes within ${duration(data.step_seconds)}.`);
    show(byId('history-note'), !known);
    show(byId('charts'), known);
    if (!known) return;
    charts.forEach(showChart);
    if (!library) for (const chart of charts) chart.figure.querySelector('details').open = true;
}

// After a change of the colours.
export function redraw() {
    if (library && data) for (const chart of charts) chart.graph?.updateOptions(look(chart));
}
