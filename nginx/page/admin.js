// What changes something, each after a question in a dialog of its own, which the updates of the page leave alone.

import { call } from './api.js';
import { byId, setText } from './dom.js';

let act = null;
let onDone = () => {};

// What is called after a change.
export const whenChanged = (code) => (onDone = code);

function ask(title, text, yes, run) {
    act = run;
    setText(byId('confirm-title'), title);
    setText(byId('confirm-text'), text);
    setText(byId('confirm-yes'), yes);
    setText(byId('confirm-error'), '');
    byId('confirm-yes').disabled = false;
    byId('confirm').showModal();
    byId('confirm-no').focus();
}

byId('confirm-yes').addEventListener('click', async () => {
    const mine = act;
    byId('confirm-yes').disabled = true;
    setText(byId('confirm-error'), '');
    try {
        await mine();
        if (act === mine) byId('confirm').close();
    } catch (error) {
        if (act === mine) setText(byId('confirm-error'), error.message);
    }
    byId('confirm-yes').disabled = false;
    onDone();
});

// Takes a question back, with what was under way after it.
export function dismiss() {
    act = null;
    byId('confirm').close();
    for (const part of ['title', 'text', 'yes', 'error']) setText(byId(`confirm-${part}`), '');
}

const effects = {
    intake: ['New items are refused with 503 until it is resumed. Everything else goes on.', 'New items are taken again.'],
    leasing: ['No worker gets an item until it is resumed. What is leased goes on.', 'Workers get items again, at once.'],
    scaling: ['No machine is launched or ended until it is resumed.', 'Machines are launched and ended again.'],
};

export function askPause(part, begins) {
    const verb = begins ? 'Pause' : 'Resume';
    ask(`${verb} ${part}?`, `${effects[part][begins ? 0 : 1]} This is kept over restarts.`, `${verb} ${part}`,
        () => call('POST', `/admin/${verb.toLowerCase()}?what=${part}`));
}

export function askRelease(identity) {
    ask(`Release ${identity}?`, 'It gets items again. Find out first what was wrong with its machine.', 'Release',
        () => call('POST', `/admin/release?name=${encodeURIComponent(identity)}`));
}

export function askCancel(id) {
    ask('Cancel this item?', `${id} is not computed any further, and never gets a value. This cannot be undone.`, 'Cancel item',
        () => call('DELETE', `/items/${id}`));
}
