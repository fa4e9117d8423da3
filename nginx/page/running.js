// The items that workers have at the moment, and what to begin with when there is none at all.

import { byId, copyOnClick, fill, keyed, parts, setAttribute, setText, show } from './dom.js';
import { count, duration, percent, range, short } from './format.js';
import { hasKey } from './api.js';
import { followNow } from './items.js';

const startLine = () => {
    const key = hasKey() ? ' -H "Authorization: Bearer $key"' : '';
    return `date | curl -T-${key} '${location.origin}/enqueue?iterations=1000000'`;
};

export const startRunning = () => copyOnClick(byId('start-copy'), startLine);

function showRow(row, item) {
    const part = parts(row);
    const share = item.iterations > 0 ? 1 - item.remaining / item.iterations : 0;
    fill(row, {
        id: item.id, share: `${percent(share)} of ${short(item.iterations)}`, rate: short(item.rate, '/s') || '–',
        eta: duration(item.eta_seconds) || '–', range: range(item.eta_seconds_low, item.eta_seconds_high), worker: item.worker ?? '',
    });
    if (part.bar.value !== share) part.bar.value = share;
    setAttribute(part.bar, 'aria-label', `Progress of ${item.id}`);
    setAttribute(part.id, 'aria-label', `Follow ${item.id}`);
    setAttribute(part.worker, 'title', item.worker ?? null);
    part.id.onclick = follow;
}

function follow(event) {
    followNow(event.currentTarget.textContent);
}

// running: what GET /stats/running has told, or null when the node has no such call.
export function showRunning(stats, running) {
    const { waiting, leased, done } = stats.items;
    const empty = waiting + leased + done === 0;
    const items = running?.items ?? [];
    const withWorker = items.some(({ worker }) => worker !== undefined);
    setText(byId('running-note'), running?.more || leased > items.length ? `${count(items.length)} of ${count(leased)}` : '');
    show(byId('running-note'), items.length > 0);
    show(byId('running-scroll'), items.length > 0);
    show(byId('running-worker'), withWorker);
    keyed(byId('running-rows'), byId('running-row'), items, ({ id }) => id, (row, item) => {
        showRow(row, item);
        show(parts(row).worker, withWorker);
    });
    show(byId('start'), empty && items.length === 0);
    if (empty) setText(byId('start-line'), startLine());
    setText(byId('running-none').firstElementChild, running || leased === 0 ? 'No worker has an item at the moment.'
        : `${count(leased)} leased. This node does not tell which.`);
    show(byId('running-none'), !empty && items.length === 0);
}
