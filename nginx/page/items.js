// One item: found by its id, followed until it is done. The node holds each look until there is something to tell.

import { ApiError, Poller, call } from './api.js';
import { askCancel } from './admin.js';
import { byId, copyOnClick, fill, setAttribute, setText, show } from './dom.js';
import { count, duration, isNumber, percent, plural, range, short, time } from './format.js';

const tones = { waiting: 'quiet', leased: 'accent', done: 'good', pulled: 'good', cancelled: 'warn' };
const names = { leased: 'running' };
const ended = (item) => ['done', 'pulled', 'cancelled'].includes(item.state);
let id = '';
let item = null;
let rights = {};
let interval = () => 2;

const poller = new Poller(look, () => (item && !ended(item) ? 0.2 : item ? 0 : 2));

async function look(signal) {
    // The first look is at once; the others are held for as long as the page may show what it knows.
    const wait = item ? Math.min(30, interval() || 30) : 0;
    const mine = id;
    try {
        const found = await call('GET', `/items/${mine}${wait ? `?wait=${wait}` : ''}`, { signal, seconds: wait + 15 });
        if (mine === id) showItem(found);
        setText(byId('look-error'), '');
    } catch (error) {
        if (!(error instanceof ApiError) || mine !== id) throw error;
        setText(byId('look-error'), error.message);
        if (error.status !== 404 && error.status !== 400 && error.status !== 401) throw error;
        stop();
    }
}

function sentence(found) {
    if (found.state === 'done' || found.state === 'pulled') return found.state === 'done' ? 'Done; it can be pulled.' : 'Done, and handed out.';
    if (found.state === 'cancelled') return 'Cancelled.';
    if (isNumber(found.eta_seconds)) {
        const span = range(found.eta_seconds_low, found.eta_seconds_high);
        return `Done in about ${duration(found.eta_seconds)}${span ? ` (${span})` : ''}.`;
    }
    return found.state === 'waiting' ? 'Waits for a worker.' : 'A worker has it.';
}

function place(found) {
    if (!isNumber(found.ahead)) return '';
    return found.ahead_more ? `more than ${plural(found.ahead, 'item')}` : plural(found.ahead, 'item');
}

function showItem(found) {
    const over = ended(found);
    item = found;
    show(byId('item'), true);
    setText(byId('item-id'), found.id);
    setText(byId('item-state'), names[found.state] ?? found.state);
    setAttribute(byId('item-state'), 'data-tone', tones[found.state] ?? 'quiet');
    setText(byId('item-text'), sentence(found));
    setText(byId('item-why'), found.why ?? '');
    show(byId('item-why'), Boolean(found.why));
    const share = found.iterations > 0 ? 1 - found.remaining / found.iterations : 0;
    byId('item-bar').value = share;
    fill(byId('item-facts'), {
        iterations: count(found.iterations), remaining: over ? '' : `${count(found.remaining)} (${percent(share)} done)`,
        rate: short(found.rate, '/s'), expected: time(found.expected_at), ahead: place(found), start: time(found.expected_start_at),
        worker: found.worker, client: found.client, strikes: found.strikes > 0 ? count(found.strikes) : '',
        enqueued: time(found.enqueued_at), completed: time(found.completed_at), asOf: time(found.as_of),
    });
    for (const row of byId('item-facts').children) show(row, !row.lastElementChild.hidden);
    setText(byId('item-value'), found.value ?? '');
    show(byId('item-value-block'), Boolean(found.value));
    show(byId('item-copy'), Boolean(found.value));
    show(byId('item-cancel'), rights.change && !over);
}

// Shows an item from now on.
export function follow(which) {
    id = which;
    item = null;
    show(byId('item'), false);
    byId('look-id').value = id;
    history.replaceState(null, '', `#${id}`);
    setText(byId('look-error'), '');
    poller.start();
}

// As follow(), for somebody who has just asked for it: the item gets the focus.
export async function followNow(which) {
    follow(which);
    setText(byId('item-id'), which);
    setText(byId('item-state'), '');
    setText(byId('item-text'), 'Looking.');
    show(byId('item'), true);
    byId('item-id').focus({ preventScroll: true });
    byId('look').scrollIntoView({ block: 'nearest' });
}

export function stop() {
    poller.stop();
    id = '';
    item = null;
    show(byId('item'), false);
    history.replaceState(null, '', location.pathname);
}

// As stop(), and nothing is left of what was looked for.
export function forget() {
    stop();
    byId('look-id').value = '';
    setText(byId('look-error'), '');
    for (const node of byId('item').querySelectorAll('h3, .pill, article > p:not(.buttons), .value, [data-f]')) setText(node, '');
}

export function startItems(seconds) {
    interval = seconds;
    byId('look-form').addEventListener('submit', (event) => {
        event.preventDefault();
        const wanted = byId('look-id').value.trim().toLowerCase();
        if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(wanted)) followNow(wanted);
        else setText(byId('look-error'), 'This is no id of an item: an id has 32 hex digits in five groups.');
    });
    byId('item-close').addEventListener('click', () => {
        forget();
        byId('look-id').focus();
    });
    byId('item-cancel').addEventListener('click', () => askCancel(id));
    copyOnClick(byId('item-copy'), () => item?.value ?? '');
}

// Takes over what the reader may do; begins with the item that the address names.
export function allowItems(may) {
    rights = may;
    const named = location.hash.slice(1);
    if (id) poller.now();
    else if (/^[0-9a-f-]{36}$/.test(named)) follow(named);
}

export function lookAgain() {
    if (id) poller.now();
}
