// Elements. All text is set as text: what a device sends can be anything.

let count = 0;

/** An id that no other element has. */
export const newId = (prefix) => `${prefix}-${++count}`;

/** An element. `on` holds listeners; false and null attributes are left out. */
export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (key === 'on') {
      for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    } else if (key === 'value' || key === 'checked') {
      node[key] = value;
    } else {
      node.setAttribute(key, value === true ? '' : value);
    }
  }
  const shown = children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
  // A number or string becomes a text node.
  node.append(...shown.map((child) => (child instanceof Node ? child : String(child))));
  return node;
}

/** A button that is busy until what it does is done, so that nothing is done twice. */
export function button(text, action, attributes = {}) {
  return el('button', {
    type: 'button',
    ...attributes,
    on: {
      click: async ({ currentTarget }) => {
        if (currentTarget.getAttribute('aria-disabled') === 'true') return;
        // A disabled button would lose the focus.
        currentTarget.setAttribute('aria-disabled', 'true');
        try {
          await action(currentTarget);
        } finally {
          currentTarget.removeAttribute('aria-disabled');
        }
      },
    },
  }, text);
}

/** A time as the reader's own, exact for programs. */
export function time(iso) {
  const date = new Date(iso);
  if (!iso || Number.isNaN(date.getTime())) return el('span', {}, iso ?? '–');
  const shown = date.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
  return el('time', { datetime: date.toISOString(), title: date.toISOString() }, shown);
}

/** Names and what they stand for. Pairs without a value are left out. */
export function facts(pairs) {
  const shown = pairs.filter(([, value]) => value !== undefined && value !== null && value !== '');
  return el('dl', { class: 'facts' }, shown.map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value))));
}

/**
 * A table. Columns have a `title` and `cell(row)`; the first cell names its row. On narrow screens
 * rows are stacked, which takes the roles away unless they are said.
 */
export function table(caption, columns, rows, empty) {
  const body = el('tbody', { role: 'rowgroup' });
  const node = el('table', { role: 'table' },
    el('caption', { class: 'hidden' }, caption),
    el('thead', { role: 'rowgroup' }, el('tr', { role: 'row' },
      columns.map(({ title, hidden }) => el('th', { role: 'columnheader', scope: 'col' },
        hidden ? el('span', { class: 'hidden' }, title) : title)))),
    body);
  const nothing = el('p', { class: 'empty' }, empty);
  const wrap = el('div', { class: 'table' }, node, nothing);
  const row = (item) => el('tr', { role: 'row' }, columns.map(({ title, cell, heads, hidden }) =>
    el(heads ? 'th' : 'td', { role: heads ? 'rowheader' : 'cell', scope: heads && 'row', 'data-title': hidden ? '' : title }, cell(item))));
  wrap.fill = (items) => {
    body.replaceChildren(...items.map(row));
    wrap.check();
  };
  /** More at its end, at which the reader goes on: the button that was pressed may go away. */
  wrap.add = (items) => {
    const before = body.rows.length;
    body.append(...items.map(row));
    wrap.check();
    body.rows[before]?.querySelector('a, button')?.focus();
  };
  wrap.prepend = (items, most) => {
    body.prepend(...items.map(row));
    while (body.rows.length > most) body.lastElementChild.remove();
    wrap.check();
  };
  wrap.check = () => {
    node.hidden = body.rows.length === 0;
    nothing.hidden = !node.hidden;
  };
  wrap.fill(rows);
  return wrap;
}

/** JSON to read. */
export const json = (value) => el('pre', { tabindex: '0' }, JSON.stringify(value ?? {}, null, 2));

/** A link to another view. */
export const link = (parts, text) => el('a', { href: `#/${parts.map(encodeURIComponent).join('/')}` }, text);
