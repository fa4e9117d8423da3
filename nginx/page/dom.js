// Small changes to the document, in place: what has not changed is not touched, so that focus and selection stay.
// Text goes in as text only; nothing here reads HTML.

export const byId = (id) => document.getElementById(id);

export function setText(node, text) {
    const value = String(text ?? '');
    if (node.textContent !== value) node.textContent = value;
}

export function show(node, visible) {
    if (node.hidden === Boolean(visible)) node.hidden = !visible;
}

export function setClass(node, name, on) {
    if (node.classList.contains(name) !== Boolean(on)) node.classList.toggle(name, on);
}

export function setAttribute(node, name, value) {
    if (value === null) {
        if (node.hasAttribute(name)) node.removeAttribute(name);
    } else if (node.getAttribute(name) !== String(value)) {
        node.setAttribute(name, value);
    }
}

const known = new WeakMap();

// The elements below a node that have a data-f, by its value.
export function parts(root) {
    let found = known.get(root);
    if (!found) {
        found = {};
        for (const node of root.querySelectorAll('[data-f]')) found[node.dataset.f] = node;
        known.set(root, found);
    }
    return found;
}

// Sets the texts of these parts; a part without a text is hidden.
export function fill(root, texts) {
    const found = parts(root);
    for (const [name, text] of Object.entries(texts)) {
        const missing = text === undefined || text === null || text === '';
        setText(found[name], missing ? '' : text);
        if (found[name].dataset.keep === undefined) show(found[name], !missing);
    }
}

// Puts a node in its place. A move would lose the focus in browsers without moveBefore.
function place(parent, node, before) {
    if (node.nextSibling === before && node.parentNode === parent) return;
    if (node.parentNode === parent && parent.moveBefore) parent.moveBefore(node, before);
    else parent.insertBefore(node, before);
}

const lists = new Set();

// One element a thing of the list, made of a template: it is kept as long as its key is there.
export function keyed(parent, template, list, keyOf, update) {
    const rows = (parent.hashmillRows ??= new Map());
    const wanted = new Map();
    lists.add(parent);
    for (const thing of list) {
        let key = String(keyOf(thing));
        while (wanted.has(key)) key += '+';
        wanted.set(key, thing);
    }
    for (const [key, row] of rows) {
        if (wanted.has(key)) continue;
        row.remove();
        rows.delete(key);
    }
    let before = null;
    for (const [key, thing] of [...wanted].reverse()) {
        let row = rows.get(key);
        if (!row) {
            row = template.content.firstElementChild.cloneNode(true);
            rows.set(key, row);
        }
        place(parent, row, before);
        update(row, thing);
        before = row;
    }
}

// Takes out what keyed() has made, everywhere.
export function emptyLists() {
    for (const list of lists) {
        list.hashmillRows.clear();
        list.replaceChildren();
    }
}

// An icon of icons.svg.
export function setIcon(svg, name) {
    setAttribute(svg.firstElementChild, 'href', `icons.svg#${name}`);
}

// Puts a text on the clipboard. Over plain HTTP from another machine there is navigator.clipboard in no browser.
export async function copy(text) {
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    const area = document.createElement('textarea');
    area.value = text;
    area.readOnly = true;
    area.className = 'off-screen';
    const focused = document.activeElement;
    (document.querySelector('dialog[open]') ?? document.body).append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
    focused?.focus();
}

// Has a button copy a text, and say so for a moment.
export function copyOnClick(button, textOf) {
    const label = button.querySelector('[data-label]');
    const usual = label.textContent;
    let timer = 0;
    button.addEventListener('click', async () => {
        let said = 'Copied';
        try {
            await copy(textOf());
        } catch {
            said = 'Not copied';
        }
        setText(label, said);
        clearTimeout(timer);
        timer = setTimeout(() => setText(label, usual), 1500);
    });
}
