// Form fields: each with its label, what it is for, and what the service says of it.

import { el, newId } from './dom.js';

/** A labelled control. `complain(text)` writes beside it what is wrong. */
export function field(label, control, hint) {
  const id = newId('field');
  control.id = id;
  const error = el('p', { class: 'error', id: `${id}-error`, hidden: true });
  const described = [hint && `${id}-hint`, `${id}-error`].filter(Boolean).join(' ');
  control.setAttribute('aria-describedby', described);
  const isTick = control.type === 'checkbox' || control.type === 'radio';
  const name = el('label', { for: id }, label);
  const explained = hint && el('p', { class: 'hint', id: `${id}-hint` }, hint);
  const node = el('div', { class: isTick ? 'field tick' : 'field' },
    isTick ? [control, name] : name, explained, isTick ? null : control, error);
  node.control = control;
  node.complain = (text) => {
    error.textContent = text ?? '';
    error.hidden = !text;
    if (text) control.setAttribute('aria-invalid', 'true');
    else control.removeAttribute('aria-invalid');
  };
  return node;
}

/** A line of text that no browser should remember, spell or change. */
export const line = (attributes = {}) => el('input', {
  type: 'text', autocomplete: 'off', spellcheck: 'false', autocapitalize: 'none', ...attributes,
});

/** Several lines of text. */
export const lines = (attributes = {}) => el('textarea', {
  rows: '4', autocomplete: 'off', spellcheck: 'false', autocapitalize: 'none', ...attributes,
});

export const tick = (checked, attributes = {}) => el('input', { type: 'checkbox', checked, ...attributes });

export const choice = (options, value) => el('select', { value },
  options.map(([key, text]) => el('option', { value: key, selected: key === value }, text)));

export const fieldset = (legend, ...children) => el('fieldset', {}, el('legend', {}, legend), ...children);

/** A JSON object, or nothing when the field is empty. Throws what is wrong with it. */
export function object(control) {
  const text = control.value.trim();
  if (!text) return undefined;
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`This is not JSON: ${error.message}`);
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw new Error('This must be a JSON object: {…}');
  return value;
}

/** A certificate from a file into a text area: PEM as it is, DER in base64. */
export function fileInto(area) {
  return el('input', {
    type: 'file',
    accept: '.pem,.crt,.cer,.der',
    on: {
      change: async ({ target }) => {
        const [file] = target.files;
        if (!file) return;
        const bytes = new Uint8Array(await file.arrayBuffer());
        const text = new TextDecoder().decode(bytes);
        area.value = text.includes('-----BEGIN') ? text : base64(bytes);
      },
    },
  });
}

export const base64 = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));

/** Writes an error of the service beside the field that it is about, which gets the focus. */
export function place(error, fields, rules) {
  const [, name] = rules.find(([pattern, name]) => pattern.test(error.message) && fields[name]) ?? [];
  // What cannot be seen cannot be put right.
  if (!name || !fields[name].control.checkVisibility()) return false;
  fields[name].complain(error.message);
  fields[name].control.focus();
  return true;
}
