// All requests of the page go out here: with the reader's key, and never while the page is hidden. The key is held in
// this module and nowhere else; it ends with the tab.

let key = '';

export const hasKey = () => key !== '';
export const setKey = (text) => (key = text);

export class ApiError extends Error {
    // status 0: nobody answered.
    constructor(status, problem, retryAfter = 0) {
        super(problem?.detail || problem?.title || 'The node gave an answer that this page cannot read.');
        this.status = status;
        this.name = String(problem?.type ?? '').replace('urn:hashmill:problem:', '');
        this.count = problem?.count;
        this.retryAfter = retryAfter;
    }
}

async function readProblem(reply) {
    try {
        return await reply.json();
    } catch {
        return { title: `The answer was ${reply.status} ${reply.statusText}`.trim() };
    }
}

// One request. Returns what the JSON of the answer holds, null without a body. Throws an ApiError; an AbortError if
// the signal ended it.
export async function call(method, path, { body, headers = {}, signal, seconds = 15 } = {}) {
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), seconds * 1000);
    const all = key ? { ...headers, Authorization: `Bearer ${key}` } : headers;
    let reply;
    let problem;
    try {
        reply = await fetch(`..${path}`, {
            method, body, headers: all, cache: 'no-store', credentials: 'omit', redirect: 'error',
            signal: signal ? AbortSignal.any([signal, limit.signal]) : limit.signal,
        });
        if (reply.ok) return reply.status === 204 ? null : await reply.json();
        problem = await readProblem(reply);
    } catch (error) {
        if (signal?.aborted) throw error;
        throw new ApiError(0, { title: 'The node does not answer.' });
    } finally {
        clearTimeout(timer);
    }
    throw new ApiError(reply.status, problem, Number(reply.headers.get('Retry-After')) || 0);
}

const pollers = new Set();
const RETRY_MAX = 60; // seconds: whatever Retry-After says, the page notices when the node is back

// Asks again and again: one request at a time, none while the page is hidden. `ask(signal)` makes the request;
// `seconds()` says how long to wait after it, 0 for never. After a failure the waits double, up to 10 s. Nothing ends it but
// stop(): what the page itself cannot do with an answer is a failure, too.
export class Poller {
    constructor(ask, seconds) {
        Object.assign(this, { ask, seconds, timer: 0, request: null, failures: 0, on: false });
        pollers.add(this);
    }

    start() {
        this.on = true;
        this.now();
    }

    stop() {
        this.on = false;
        this.pause();
    }

    // Ends what is under way, until now() or resume.
    pause() {
        clearTimeout(this.timer);
        this.timer = 0;
        this.request?.abort();
        this.request = null;
    }

    // Asks at once, in place of a request that is under way.
    now() {
        this.pause();
        if (this.on && !document.hidden) this.run();
    }

    // Takes up another interval.
    change() {
        if (!this.request) this.plan();
    }

    plan() {
        clearTimeout(this.timer);
        this.timer = 0;
        let seconds = this.seconds();
        if (seconds > 0 && this.failures > 0) seconds = Math.max(this.wait ?? 0, Math.min(10, seconds * 2 ** (this.failures - 1)));
        if (this.on && seconds > 0 && !document.hidden) this.timer = setTimeout(() => this.run(), seconds * 1000);
    }

    async run() {
        const request = new AbortController();
        this.timer = 0;
        this.request = request;
        try {
            await this.ask(request.signal);
            this.failures = 0;
        } catch (error) {
            if (request.signal.aborted) return; // somebody has taken over
            if (!(error instanceof ApiError)) reportError(error);
            this.failures = Math.min(this.failures + 1, 8);
            this.wait = Math.min(error.retryAfter ?? 0, RETRY_MAX);
        } finally {
            if (this.request === request) this.request = null;
        }
        if (!request.signal.aborted) this.plan();
    }
}

document.addEventListener('visibilitychange', () => {
    for (const poller of pollers) {
        if (document.hidden) {
            poller.interrupted = poller.request !== null;
            poller.pause();
        } else if (poller.on && (poller.interrupted || poller.seconds() > 0)) {
            poller.now();
        }
    }
});
