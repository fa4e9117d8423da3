// Ties the parts of the page together: what is asked, when, and what is shown of the answers.

import { ApiError, Poller, call, hasKey, setKey } from './api.js';
import { dismiss, whenChanged } from './admin.js';
import { redraw, showHistory } from './charts.js';
import { byId, emptyLists, setClass, setText, show } from './dom.js';
import { allowEnqueue, showPrediction, startEnqueue } from './enqueue.js';
import { showFleet } from './fleet.js';
import { duration, time } from './format.js';
import { allowItems, lookAgain, startItems, forget as forgetItem } from './items.js';
import { showFigures, showHealth, showState } from './overview.js';
import { showRunning, startRunning } from './running.js';

const HISTORY_SECONDS = 20;
const SLOW_SECONDS = 5; // an answer that takes longer is missed
let stats = null;
let running = null;
let rights = null;      // { client, sees: 'all' or 'own', change, operate }; null until they are known
let answeredAt = 0;     // when /stats was answered last, of performance.now()
let failure = '';       // why it is not answered now
let span = '1h';
let ticking = 0;

const interval = () => Number(byId('refresh').value);
const timeOf = (answer) => Date.parse(answer?.now) || Date.now();

// --- What is asked -------------------------------------------------------------------------------

// A call that another version of the node does not have, or that is not for this reader, is not made again.
function optional(poller, error, give) {
    if (!(error instanceof ApiError) || ![403, 404].includes(error.status)) throw error;
    poller.stop();
    give(null);
}

const statsPoller = new Poller(async (signal) => {
    const slow = setTimeout(() => signal.aborted || showNoAnswer('The node has not answered yet.'), SLOW_SECONDS * 1000);
    try {
        const newest = await call('GET', '/stats', { signal });
        learnRights(newest);
        showAnswer(newest);
    } catch (error) {
        if (signal.aborted) throw error;
        if (!(error instanceof ApiError)) showNoAnswer(new ApiError(0).message);
        else if (error.status === 401 || (error.status === 403 && hasKey())) askForKey(hasKey() ? error.message : '');
        else if (error.status === 403) showRefusal(error.message);
        else showNoAnswer(error.message);
        throw error;
    } finally {
        clearTimeout(slow);
    }
}, interval);

const runningPoller = new Poller(async (signal) => {
    try {
        running = await call('GET', '/stats/running', { signal });
    } catch (error) {
        optional(runningPoller, error, () => (running = null));
    }
    if (stats) showRunning(stats, running);
}, interval);

const historyPoller = new Poller(async (signal) => {
    try {
        await showHistory(await call('GET', `/stats/history?span=${span}`, { signal }));
    } catch (error) {
        optional(historyPoller, error, showHistory);
    }
}, () => interval() && Math.max(interval(), HISTORY_SECONDS));

// Learns what the reader may do: at first, and when the key has got another role or client.
function learnRights(newest) {
    const { role, client } = newest;
    if (rights && rights.role === role && rights.client === client) return;
    if (rights) forgetShown();
    const operate = ['operator', 'everybody'].includes(role);
    rights = { role, client, sees: role === 'client' ? 'own' : 'all', change: operate || role === 'client', operate };
    showRights();
}

// --- What is shown -------------------------------------------------------------------------------

function showRights() {
    show(byId('key-panel'), false);
    show(byId('content'), true);
    show(byId('who'), true);
    show(byId('forget'), hasKey());
    setText(byId('role'), { everybody: 'no key needed', client: `client ${rights.client}` }[rights.role] ?? rights.role);
    byId('who').title = rights.role === 'everybody' ? 'KEYS is not set: who reaches this node may do everything.' : '';
    show(byId('raw'), !hasKey());
    allowEnqueue(rights);
    allowItems(rights);
    runningPoller.start();
    if (rights.sees === 'all') historyPoller.start();
}

function showAnswer(newest) {
    const back = failure !== '';
    setText(byId('node'), `node ${newest.node}`);
    setText(byId('foot'), `hashmill ${newest.version}, node ${newest.node}.`);
    showFigures(newest);
    showFleet(newest, rights, timeOf(newest));
    showRunning(newest, running);
    showPrediction(newest, running?.items);
    showHealth(newest);
    document.title = newest.warnings?.length ? `(${newest.warnings.length}) hashmill, node ${newest.node}` : `hashmill, node ${newest.node}`;
    document.body.classList.remove('stale', 'bare');
    clearInterval(ticking);
    ticking = 0;
    stats = newest;
    answeredAt = performance.now();
    failure = '';
    if (!back) return;
    runningPoller.now();
    historyPoller.now();
    lookAgain();
}

// With nothing to show yet there is only what is wrong.
function showFault(why) {
    failure = why;
    show(byId('content'), true);
    setClass(document.body, 'bare', !stats);
}

// The node answers, but not to a page under this name (HOSTS).
function showRefusal(why) {
    showFault(why);
    showState('bad', 'The node refuses', why);
}

// Says for how long there was no answer, every second until there is one.
function showNoAnswer(why) {
    showFault(why);
    document.body.classList.add('stale');
    ticking ||= setInterval(showAway, 1000);
    showAway();
}

function showAway() {
    const away = duration(Math.round((performance.now() - answeredAt) / 1000));
    const shown = stats ? `What is shown is from ${time(timeOf(stats))}. ` : '';
    const next = interval() ? 'The page goes on asking.' : 'Refresh is off: it is not asked again.';
    document.title = 'No answer: hashmill';
    showState('away', `No answer for ${away}`, `${failure} ${shown}${next}`, [], 'The node does not answer.');
}

// --- The key -------------------------------------------------------------------------------------

// What one key has shown is not for the next one, and what it has asked is not done with the next one's rights.
function forgetShown() {
    for (const poller of [runningPoller, historyPoller]) poller.stop();
    if (rights) forgetItem();
    stats = running = rights = null;
    showHistory(null);
    allowEnqueue(null);
    dismiss();
    emptyLists();
}

function askForKey(why) {
    statsPoller.stop();
    clearInterval(ticking);
    ticking = 0;
    failure = '';
    forgetShown();
    setKey('');
    showState('quiet', 'A key is needed', '');
    show(byId('content'), false);
    show(byId('who'), false);
    show(byId('key-panel'), true);
    setText(byId('key-error'), why);
    byId('key').value = '';
    byId('key').focus();
}

byId('key-form').addEventListener('submit', (event) => {
    const typed = byId('key').value.trim();
    event.preventDefault();
    byId('key').value = '';
    setText(byId('key-error'), /^[!-~]+$/.test(typed) ? '' : 'This is no key: a key has letters, digits and a few signs.');
    if (byId('key-error').textContent) return;
    setKey(typed);
    answeredAt = performance.now();
    statsPoller.start();
});

// What was shown with the key goes with it.
function forgetKey() {
    history.replaceState(null, '', location.pathname);
    location.reload();
}

byId('forget').addEventListener('click', forgetKey);

// Who leaves the page leaves its key, too: a browser may keep the page as it is for the button Back.
let hadKey = false;
addEventListener('pagehide', () => {
    hadKey = hasKey();
    setKey('');
});
addEventListener('pageshow', ({ persisted }) => persisted && hadKey && forgetKey());

// --- Choices of the reader -----------------------------------------------------------------------

function remember(name, value) {
    try {
        localStorage.setItem(name, value);
    } catch {
        // A browser that keeps nothing.
    }
}

byId('theme').value = document.documentElement.dataset.theme ?? '';
byId('theme').addEventListener('change', ({ target }) => {
    if (target.value) document.documentElement.dataset.theme = target.value;
    else delete document.documentElement.dataset.theme;
    remember('theme', target.value);
    redraw();
});
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);

byId('refresh').addEventListener('change', () => {
    for (const poller of [statsPoller, runningPoller, historyPoller]) poller.change();
});

document.querySelectorAll('input[name=span]').forEach((input) => input.addEventListener('change', () => {
    span = input.value;
    historyPoller.now();
}));

document.addEventListener('visibilitychange', () => {
    if (!document.hidden && !failure) answeredAt = performance.now(); // what was not asked was not unanswered
});

whenChanged(() => {
    statsPoller.now();
    runningPoller.now();
    lookAgain();
});
startItems(interval);
startEnqueue();
startRunning();
answeredAt = performance.now();
statsPoller.start();
