// Numbers, durations and times as people read them. What is not there, or is no number, becomes ''.

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const units = [[1e15, 'P'], [1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e3, 'k']];
const noZeros = (text) => text.replace(/\.(\d*?)0+(?=\u00a0|$)/, (_, digits) => (digits ? `.${digits}` : ''));
export const isNumber = (value) => typeof value === 'number' && Number.isFinite(value);

// 1,234,567
export const count = (value) => (isNumber(value) ? whole.format(value) : '');

// 1.23 M; with fewer than four digits as it is.
export function short(value, unit = '') {
    if (!isNumber(value)) return '';
    const end = unit && `\u00a0${unit}`;
    for (const [size, letter] of units) {
        if (value >= size * 0.9995) return `${(value / size).toPrecision(3)}\u00a0${letter}${unit}`;
    }
    if (value === 0 || value >= 100) return Math.round(value) + end;
    return Number(value.toPrecision(value >= 1 ? 3 : 2)) + end;
}

// The same for an axis: 50 M
export const axis = (value) => noZeros(short(value));

// 0.4 s, 12 s, 3 min 20 s, 42 min, 2 h 5 min, 3 d 4 h
export function duration(seconds) {
    if (!isNumber(seconds)) return '';
    const value = Math.max(0, seconds);
    if (value < 9.95) return `${Number(value.toFixed(1))}\u00a0s`;
    const s = Math.round(value);
    const two = (big, bigUnit, rest, unit) => `${count(big)}\u00a0${bigUnit}${rest ? ` ${rest}\u00a0${unit}` : ''}`;
    if (s < 60) return `${s}\u00a0s`;
    if (s < 600) return two(Math.floor(s / 60), 'min', s % 60, 's');
    if (s < 3570) return `${Math.round(s / 60)}\u00a0min`;
    const minutes = Math.round(s / 60);
    if (minutes < 1440) return two(Math.floor(minutes / 60), 'h', minutes % 60, 'min');
    const hours = Math.round(s / 3600);
    return two(Math.floor(hours / 24), 'd', hours % 24, 'h');
}

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const minute = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });
const year = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });

const asDate = (value) => {
    const date = new Date(value ?? NaN);
    return Number.isNaN(date.getTime()) ? null : date;
};

// 14:05:31, with the day if it is another one: 3 Dec, 14:05. Local time.
export function time(value, now = Date.now()) {
    const date = asDate(value);
    if (!date) return '';
    if (date.toDateString() === new Date(now).toDateString()) return clock.format(date);
    const far = Math.abs(date - now) > 300 * 86400e3;
    return `${(far ? year : day).format(date)}, ${minute.format(date)}`;
}

export const dayOf = (value) => (asDate(value) ? year.format(asDate(value)) : '');
export const minuteOf = (value) => (asDate(value) ? minute.format(asDate(value)) : '');
export const dayAndMonth = (value) => (asDate(value) ? day.format(asDate(value)) : '');

// 12 s ago, by the clock of the node.
export function ago(value, now) {
    const date = asDate(value);
    if (!date) return '';
    const seconds = (now - date) / 1000;
    return seconds < 1 ? 'now' : `${duration(seconds >= 9.95 ? seconds : Math.floor(seconds))} ago`;
}

// 10 to 15 s, 2.1 to 3.4 h: in one unit; '' when both ends read alike.
export function range(low, high) {
    if (!isNumber(low) || !isNumber(high)) return '';
    const [seconds, unit] = [[172800, 'd', 86400], [7200, 'h', 3600], [120, 'min', 60], [0, 's', 1]].find(([from]) => high >= from).slice(1).reverse();
    const digits = high / seconds < 10 ? 1 : 0;
    const [from, to] = [low, high].map((value) => Number((value / seconds).toFixed(digits)));
    return from === to ? '' : `${from} to ${to}\u00a0${unit}`;
}

// 42 % or 42.5 %; only what is whole is 100 %.
export function percent(share) {
    if (!isNumber(share)) return '';
    const value = Math.max(0, Math.min(1, share)) * 100;
    if (value === 100) return '100\u00a0%';
    return `${(Math.floor(value * 10) / 10).toFixed(1)}\u00a0%`;
}

export const plural = (n, one, more = `${one}s`) => `${count(n)}\u00a0${n === 1 ? one : more}`;

// A number of iterations as people type it: 1000000, 1,000,000, 1 000 000, 1e6, 2.5e9, 10^6. NaN for anything else.
export function readIterations(text) {
    const plain = text.trim().replace(/(?<=\d)[\s_,'](?=\d{3}(?!\d))/g, '');
    const power = plain.match(/^10\s*(?:\^|\*\*)\s*(\d{1,2})$/);
    if (power) return 10 ** Number(power[1]);
    if (!/^\d+$/.test(plain) && !/^\d+(?:\.\d+)?e\+?\d{1,2}$/i.test(plain)) return NaN;
    const value = Number(plain);
    return Number.isInteger(value) && value >= 1 ? value : NaN;
}
