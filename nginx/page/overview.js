// What is seen first: whether the node is healthy and why not, and the figures of GET /stats.

import { byId, fill, keyed, setAttribute, setIcon, setText, show } from './dom.js';
import { count, duration, isNumber, plural, range, short, time } from './format.js';

export const WAIT_GOAL = 15; // seconds that an item should wait at most
const grave = new Set(['disk-full', 'no-worker', 'quarantine']);
const icons = { good: 'good', warn: 'warn', bad: 'warn', away: 'away', quiet: 'wait' };

// Sets the panel on top and the state in the header. Only what changes is announced, never a count of seconds.
export function showState(tone, title, text, warnings = [], spoken = title) {
    const health = byId('health');
    setAttribute(health, 'data-tone', tone);
    setAttribute(byId('state'), 'data-tone', tone);
    setIcon(health.querySelector('svg'), icons[tone]);
    setIcon(byId('state').querySelector('svg'), icons[tone]);
    setText(byId('state-text'), title);
    setText(byId('health-title'), title);
    setText(byId('health-text'), text);
    show(byId('health-text'), text !== '');
    show(byId('warnings'), warnings.length > 0);
    keyed(byId('warnings'), byId('warning-row'), warnings, (warning) => warning.code,
        (row, warning) => fill(row, { detail: warning.detail, code: warning.code }));
    setText(byId('announce'), spoken);
}

// What happens at the moment, in a sentence.
function summary({ items, workers }) {
    const { waiting, leased, done } = items;
    const phrases = [
        [waiting, 'waits', 'wait'],
        [leased, ...['is', 'are'].map((verb) => `${verb} with ${isNumber(workers) ? plural(workers, 'worker') : 'workers'}`)],
        [done, 'is done and can be pulled', 'are done and can be pulled'],
    ].filter(([n]) => n > 0).map(([n, one, more], at) => `${at === 0 ? plural(n, 'item') : count(n)} ${n === 1 ? one : more}`);
    if (phrases.length === 0) return 'No item waits.';
    return `${phrases.length > 1 ? `${phrases.slice(0, -1).join(', ')} and ${phrases.at(-1)}` : phrases[0]}.`;
}

// The warnings as they were announced: their details count seconds.
let told = {};

export function showHealth(stats) {
    if (stats.client !== undefined) {
        showState('good', 'The node answers', `Shown are the items of ${stats.client}. ${summary(stats)}`);
    } else if (!stats.warnings) {
        showState('quiet', 'The node answers', summary(stats));
    } else if (stats.warnings.length === 0) {
        showState('good', 'Healthy', summary(stats));
    } else {
        const tone = stats.warnings.some(({ code }) => grave.has(code)) ? 'bad' : 'warn';
        const codes = stats.warnings.map(({ code }) => code).join();
        if (codes !== told.codes) told = { codes, text: stats.warnings.map(({ detail }) => detail).join(' ') };
        const title = stats.warnings.length === 1 ? '1 warning' : `${stats.warnings.length} warnings`;
        showState(tone, title, '', stats.warnings, told.text);
    }
}

// When all that waits or is leased will be done.
function whenDone(stats) {
    const open = stats.items.waiting + stats.items.leased;
    if (open === 0) return { eta: '–', etaNote: 'nothing to do' };
    const remaining = `${short(stats.remaining)} to go`;
    if (!isNumber(stats.eta_seconds)) return { eta: '–', etaNote: `${remaining}; ${stats.workers === 0 ? 'no worker is there' : 'when is not known'}` };
    const at = time(stats.expected_at, Date.parse(stats.now));
    const span = range(stats.eta_seconds_low, stats.eta_seconds_high);
    return { eta: duration(stats.eta_seconds), etaNote: [span, at && `at ${at}`, remaining].filter(Boolean).join(', ') };
}

const perSecond = (value) => (isNumber(value) ? short(value, '/s') : '');
const overMinute = (value) => (isNumber(value) ? `${short(value, '/s')} over 60 s` : '');

export function showFigures(stats) {
    const { items, rates, fleet } = stats;
    const [now, minute] = [rates?.['10s'] ?? {}, rates?.['60s'] ?? {}];
    const cores = (fleet?.workers ?? []).filter(({ retired }) => !retired).length && stats.workers;
    fill(byId('tiles'), {
        waiting: count(items.waiting), leased: count(items.leased),
        done: count(items.done), doneNote: `${count(items.pulled)} pulled, ${count(items.cancelled)} cancelled`,
        oldest: stats.oldest_wait_seconds === undefined ? '' : duration(stats.oldest_wait_seconds),
        oldestNote: stats.oldest_wait_seconds > WAIT_GOAL ? `over the ${WAIT_GOAL} s it should be` : `of ${WAIT_GOAL} s`,
        ...whenDone(stats),
        iterations: perSecond(now.iterations), iterationsNote: overMinute(minute.iterations),
        in: perSecond(now.enqueued), inNote: overMinute(minute.enqueued),
        out: perSecond(now.done), outNote: [overMinute(minute.done), now.pulled > 0 && `${short(now.pulled, '/s')} pulled`].filter(Boolean).join(', '),
        workers: count(stats.workers), workersNote: cores ? machinesOf(fleet) : '',
    });
    const late = stats.oldest_wait_seconds > WAIT_GOAL;
    setAttribute(byId('tile-wait'), 'data-tone', late ? 'warn' : null);
    show(byId('tile-wait'), stats.oldest_wait_seconds !== undefined);
    show(byId('tile-workers'), stats.workers !== undefined);
    show(byId('tile-eta'), stats.client === undefined || isNumber(stats.eta_seconds));
    setAttribute(byId('tiles'), 'data-sees', stats.client === undefined ? 'all' : 'own');
}

function machinesOf(fleet) {
    const machines = fleet.machines?.length ?? 0;
    return fleet.scaling ? `on ${plural(machines, 'machine')}, at most ${count(fleet.workers_max)}` : '';
}
