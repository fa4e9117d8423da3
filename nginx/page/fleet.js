// The fleet and the node itself: workers, machines, decisions, parts, peer, quarantine, certificates, backup.

import { byId, fill, keyed, parts, setAttribute, setClass, setText, show } from './dom.js';
import { ago, count, dayOf, duration, isNumber, plural, short, time } from './format.js';
import { askPause, askRelease } from './admin.js';

// One line: a dot in a colour, a name, a sentence, and a button for who may.
function lines(list, things) {
    keyed(list, byId('line-row'), things, ({ key, name }) => key ?? name, (row, thing) => {
        setAttribute(row, 'data-tone', thing.tone ?? 'quiet');
        fill(row, { name: thing.name, text: thing.text, button: thing.act ? thing.button : '' });
        const { button } = parts(row);
        setAttribute(button, 'aria-label', thing.act ? `${thing.button} ${thing.name}` : null);
        button.onclick = thing.act ?? null;
    });
}

function workers(stats, now) {
    const all = stats.fleet.workers ?? [];
    const recent = (worker) => !worker.retired && now - Date.parse(worker.last_seen_at) < 60e3;
    const there = all.filter(recent);
    const gone = all.length - there.length;
    setText(byId('workers-note'), there.length || gone ? [plural(there.length, 'worker'),
        gone ? `${count(gone)} more in the last hour` : ''].filter(Boolean).join(', ') : 'None in the last hour');
    show(byId('workers-scroll'), all.length > 0);
    const ordered = [...there, ...all.filter((worker) => !recent(worker))];
    keyed(byId('worker-rows'), byId('worker-row'), ordered, ({ name, identity }) => `${name} ${identity}`, (row, worker) => {
        setClass(row, 'gone', !recent(worker));
        fill(row, {
            name: worker.name, address: worker.address, kernel: worker.kernel, cores: count(worker.cores), items: count(worker.items),
            rate: short(worker.rate, '/s'), seen: worker.retired ? 'retired' : ago(worker.last_seen_at, now),
        });
        setAttribute(parts(row).name, 'title', worker.identity ? `${worker.name}, as ${worker.identity}` : worker.name);
    });
}

const tones = { running: 'good', booting: 'accent', leaving: 'quiet' };

function machines(stats, now) {
    const { fleet } = stats;
    const all = fleet.machines ?? [];
    setText(byId('machines-note'), fleet.scaling
        ? `${count(all.length)} of ${count(fleet.workers_min)} to ${count(fleet.workers_max)}, boot takes ${duration(fleet.boot_seconds)}`
        : 'PROVIDER is not set: none is launched');
    show(byId('machines-scroll'), all.length > 0);
    keyed(byId('machine-rows'), byId('machine-row'), all, ({ name }) => name, (row, machine) => {
        fill(row, {
            name: machine.name, state: machine.state, items: count(machine.items), rate: short(machine.rate, '/s'),
            launched: ago(machine.launched_at, now),
        });
        setAttribute(parts(row).name, 'title', `${machine.name}, ${machine.id ?? ''}`);
        setAttribute(parts(row).state, 'data-tone', tones[machine.state] ?? 'quiet');
    });
}

function decisions(stats, now) {
    const all = stats.fleet.decisions ?? [];
    show(byId('decisions-none'), all.length === 0);
    keyed(byId('decision-rows'), byId('decision-row'), all, ({ at, why }) => `${at} ${why}`, (row, decision) => {
        fill(row, { at: time(decision.at, now), why: decision.why });
        setAttribute(parts(row).at, 'datetime', decision.at);
    });
}

const partsOf = {
    intake: ['Intake', 'New items are taken.', 'Paused: new items are refused.'],
    leasing: ['Leasing', 'Workers get items.', 'Paused: no worker gets an item.'],
    scaling: ['Scaling', 'Machines are launched and ended.', 'Paused: no machine is launched or ended.'],
};

function pauses(stats, rights) {
    lines(byId('part-rows'), Object.entries(partsOf).map(([part, [name, goesOn, rests]]) => {
        const paused = stats.paused?.includes(part) ?? false;
        const idle = part === 'scaling' && !paused && !stats.fleet.scaling;
        return {
            name, text: idle ? 'PROVIDER is not set.' : paused ? rests : goesOn,
            tone: paused ? 'warn' : idle ? 'quiet' : 'good', button: paused ? 'Resume' : 'Pause',
            act: rights.operate ? () => askPause(part, !paused) : null,
        };
    }));
}

const replicas = {
    following: 'Its replica of this queue lacks nothing.', copying: 'It copies this queue.',
    none: 'It has no replica of this queue.', unknown: 'Whether it has a replica of this queue is not known.',
};

function peerLine(peer, now) {
    const said = [];
    if (peer.away) said.push(isNumber(peer.heard_seconds) ? `Does not answer; last heard ${duration(peer.heard_seconds)} ago.` : 'Was never heard.');
    else said.push('Answers.');
    if (peer.behind?.batches > 0) said.push(`Its replica lacks ${plural(peer.behind.batches, 'batch', 'batches')}, since ${duration(peer.behind.seconds)}.`);
    else if (replicas[peer.replica]) said.push(replicas[peer.replica]);
    if (peer.incomplete_since) said.push(`Incomplete since ${time(peer.incomplete_since, now)}.`);
    const worry = peer.incomplete_since || peer.replica === 'none' || peer.behind?.seconds > 10;
    return { name: `Node ${peer.node}`, text: said.join(' '), tone: peer.away ? 'bad' : worry ? 'warn' : 'good' };
}

function peers(stats, now) {
    const { loans } = stats;
    show(byId('peers'), (stats.peers ?? []).length > 0);
    lines(byId('peer-rows'), (stats.peers ?? []).map((peer) => peerLine(peer, now)));
    setText(byId('loans'), loans ? `Machines lent to this node: ${count(loans.taken)}; lent by it: ${count(loans.given)}.` : '');
}

function quarantine(stats, rights, now) {
    const all = stats.fleet.quarantine ?? [];
    lines(byId('quarantine-rows'), all.map(({ identity, since, why }) => ({
        name: identity, text: [why, `Since ${time(since, now)}.`].filter(Boolean).join(' '), tone: 'bad',
        button: 'Release', act: rights.operate ? () => askRelease(identity) : null,
    })));
    const refused = isNumber(stats.refused) ? ` Calls refused for their key since the start: ${count(stats.refused)}.` : '';
    setText(byId('quarantine-note'), (all.length ? '' : 'No fault is known: nobody is in quarantine.') + refused);
}

function certificateLine({ name, expires_at: at, days_left: days, error }) {
    if (error) return { name, text: error, tone: 'bad' };
    const text = days < 0 ? `Expired on ${dayOf(at)}.` : `${plural(Math.floor(days), 'day')} left, to ${dayOf(at)}.`;
    return { name, text, tone: days < 7 ? 'bad' : days < 21 ? 'warn' : 'good' };
}

function backupLine(stats, now) {
    const at = stats.backup.last_at;
    const old = stats.warnings?.some(({ code }) => code === 'backup-old');
    return { name: 'Last backup', text: at ? `${ago(at, now)}, ${time(at, now)}` : 'None was made yet.', tone: old ? 'warn' : at ? 'good' : 'quiet' };
}

function safety(stats, now) {
    const all = (stats.certificates ?? []).map(certificateLine);
    if (stats.backup) all.unshift(backupLine(stats, now));
    if (all.length === 0 || !stats.certificates) all.push({ key: 'none', name: 'Certificates', text: 'None is set: plain HTTP.' });
    lines(byId('safe-rows'), all);
}

export function showFleet(stats, rights, now) {
    show(byId('fleet'), stats.fleet !== undefined);
    if (!stats.fleet) return;
    workers(stats, now);
    machines(stats, now);
    decisions(stats, now);
    pauses(stats, rights);
    peers(stats, now);
    quarantine(stats, rights, now);
    safety(stats, now);
}
