// The form that enqueues a file, with what is known before: about how long it will take.

import { ApiError, call } from './api.js';
import { byId, setText, show } from './dom.js';
import { followNow } from './items.js';
import { count, duration, isNumber, plural, readIterations, short } from './format.js';

const BODY_MAX = 262144;
let stats = null;
let chainRate = NaN; // iterations a second of one chain, as running items show it
let rights = null;   // whose attempt it is
let attempt = null;  // the key of what may have been enqueued already

// A random version 4 UUID: over plain HTTP from another machine there is no crypto.randomUUID().
function uuid() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

// About what one chain gets of a worker that has few: a core moves as many side by side as its kernel's name says, and
// up to four of them hardly slower than one.
function rateOfChain({ rate, cores, kernel }) {
    const lanes = Number(/-x(\d+)$/.exec(kernel)?.[1] ?? 1);
    return rate / cores / Math.min(4, lanes);
}

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

// What an item of n iterations would take from now, in seconds; NaN when nobody can tell.
function estimate(n) {
    const now = Date.parse(stats.now) || Date.now();
    const there = (stats.fleet?.workers ?? []).filter(({ retired, rate, cores, last_seen_at: seen }) =>
        !retired && rate > 0 && cores > 0 && now - Date.parse(seen) < 60e3);
    const rate = chainRate > 0 ? chainRate : median(there.map(rateOfChain)) ?? NaN;
    const all = there.reduce((sum, worker) => sum + worker.rate, 0);
    const { waiting, leased } = stats.items; // what is leased has begun
    const whole = stats.eta_seconds ?? (all > 0 ? stats.remaining / all : 0);
    const queue = waiting > 0 ? (whole * waiting) / (waiting + leased) : 0;
    return { rate, seconds: queue + n / rate, queue };
}

function prediction() {
    const n = readIterations(byId('iterations').value);
    if (!Number.isFinite(n)) return 'A whole number from 1 on, such as 1,000,000 or 1e6.';
    if (n === 1) return 'With n = 1 it is done at once.';
    if (!stats) return '';
    const { rate, seconds, queue } = estimate(n);
    if (!isNumber(seconds)) return `${count(n)} iterations. How long they take is not known now.`;
    const behind = queue > 1 ? `, ${duration(queue)} of it waiting` : '';
    return `Estimate: done in about ${duration(seconds)}${behind}. A chain gets about ${short(rate, '/s')}.`;
}

export const predict = () => setText(byId('prediction'), prediction());

// Takes over the newest figures.
export function showPrediction(newest, running) {
    const rates = (running ?? []).map(({ rate }) => rate).filter((rate) => rate > 0);
    stats = newest;
    chainRate = rates.length ? median(rates) : NaN;
    predict();
}

// The same file and n are the same attempt, with the same key: it is never stored twice.
function keyOf(file, n) {
    if (!attempt || attempt.file !== file || attempt.n !== n) attempt = { file, n, key: uuid() };
    return attempt.key;
}

function fault(file, n) {
    if (!Number.isFinite(n)) return 'n must be a whole number from 1 on.';
    if (!file) return 'Choose a file.';
    if (file.size === 0) return 'The file is empty.';
    return file.size > BODY_MAX ? `The file has ${count(file.size)} bytes; at most ${count(BODY_MAX)} are taken.` : '';
}

function explain(error) {
    if (error.status === 0 || error.name === 'outcome-unknown') return `${error.message} Enqueue again: it will be stored only once.`;
    return error.message + (error.retryAfter ? ` Try again in ${plural(error.retryAfter, 'second')}.` : '');
}

async function enqueue() {
    const file = byId('file').files[0];
    const n = readIterations(byId('iterations').value);
    const wrong = fault(file, n);
    setText(byId('enqueue-error'), wrong);
    if (wrong) return;
    const asker = rights;
    byId('enqueue-button').disabled = true;
    try {
        const { id } = await call('PUT', `/enqueue?iterations=${n}`, {
            body: file, headers: { 'Idempotency-Key': keyOf(file, n), Accept: 'application/json' }, seconds: 60 });
        if (asker !== rights) return;
        attempt = null;
        followNow(id);
    } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        if (asker === rights) setText(byId('enqueue-error'), explain(error));
    } finally {
        byId('enqueue-button').disabled = false;
    }
}

export function startEnqueue() {
    byId('iterations').addEventListener('input', predict);
    byId('enqueue-form').addEventListener('submit', (event) => {
        event.preventDefault();
        enqueue();
    });
}

// Takes over what the reader may do; null: nothing, as there is none.
export function allowEnqueue(may) {
    rights = may;
    attempt = null;
    setText(byId('enqueue-error'), '');
    show(byId('enqueue'), may?.change);
}
