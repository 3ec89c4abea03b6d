// The keys of an enrollment: hidden until they are asked for, copied, made anew; and the keys of a
// group's devices, which are computed here.

import { announce, complain, confirmed, tell } from './say.js';
import { button, el, newId } from './dom.js';
import { base64, field, line } from './fields.js';

/** Copies a text, and says so. Where the browser does not let it, it selects what shows the text. */
export async function copy(text, name, place) {
  try {
    await navigator.clipboard.writeText(text);
    announce(`${name} copied.`);
  } catch {
    if (place.select) place.select();
    else getSelection().selectAllChildren(place);
    complain(new Error('The browser does not let this page copy. The text is selected: copy it with Ctrl+C, or ⌘C.'));
  }
}

/** A secret that is shown, to be read and copied. */
export function shown(name, value) {
  const id = newId('secret');
  const text = el('input', { id, class: 'secret', readonly: true, type: 'text', value, autocomplete: 'off', spellcheck: 'false' });
  return el('div', { class: 'field secret' },
    el('label', { for: id }, name), text,
    button('Copy', () => copy(value, name, text), { 'aria-label': `Copy ${name.toLowerCase()}` }));
}

/** Secrets behind a button. `read` gives pairs of names and values. */
export function hidden(what, read) {
  const place = el('div', { class: 'secrets' });
  const toggle = button(`Show ${what}`, async () => {
    if (place.childElementCount > 0) {
      place.replaceChildren();
      toggle.textContent = `Show ${what}`;
      toggle.setAttribute('aria-expanded', 'false');
      return;
    }
    const secrets = await tell(read);
    if (!secrets) return;
    place.replaceChildren(...secrets.map(([name, value]) => shown(name, value)));
    toggle.textContent = `Hide ${what}`;
    toggle.setAttribute('aria-expanded', 'true');
    const [first] = place.getElementsByTagName('input');
    first.focus();
    // Long ones are read from their beginning.
    first.setSelectionRange(0, 0);
    first.scrollLeft = 0;
  }, { 'aria-expanded': 'false' });
  return el('div', {}, toggle, place);
}

/** The section of an enrollment with symmetric keys. `renew(member)` makes one anew. */
export function keysSection(kind, id, renew, state) {
  const anew = (member, name) => button(`Regenerate ${name} key`, async () => {
    const text = `Devices that use the ${name} key now, or a key derived from it, will be refused. This cannot be undone.`;
    if (await confirmed(`Regenerate the ${name} key?`, text, 'Regenerate')) await renew(member, name);
  });
  return el('section', { 'aria-labelledby': 'keys' },
    el('h2', { id: 'keys' }, 'Keys'),
    hidden('keys', async () => {
      const { symmetricKey } = await kind.attestation(id);
      return [
        ['Primary key', symmetricKey.primaryKey],
        ['Secondary key', symmetricKey.secondaryKey],
        ...atHub(state, symmetricKey.primaryKey),
      ];
    }),
    el('div', { class: 'actions' }, anew('primaryKey', 'primary'), anew('secondaryKey', 'secondary')));
}

/** What programs of a device that was assigned connect to its hub with. */
const atHub = (state, key) => (state?.assignedHub && state.deviceId
  ? [['Connection string at the hub', `HostName=${state.assignedHub};DeviceId=${state.deviceId};SharedAccessKey=${key}`]] : []);

/** A new key: 64 random bytes, as the service makes them. */
export const newKey = () => base64(crypto.getRandomValues(new Uint8Array(64)));

/** HMAC-SHA256 of the registration id by the group's key. */
export async function derive(groupKey, registrationId) {
  const bytes = Uint8Array.from(atob(groupKey), (letter) => letter.charCodeAt(0));
  const key = await crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  const text = new TextEncoder().encode(registrationId);
  return base64(new Uint8Array(await crypto.subtle.sign('HMAC', key, text)));
}

/**
 * The form that computes a device's keys from its group's. `registered(id)` gives the state of a
 * device that has registered, if it is known.
 */
export function derivation(kind, group, registered) {
  const id = field('Registration ID of the device', line({ name: 'derive', maxlength: '128' }),
    'Exactly as the device will state it, upper and lower case included.');
  const result = el('div', { class: 'secrets', 'aria-live': 'polite' });
  const form = el('form', {
    novalidate: true,
    on: {
      submit: async (event) => {
        event.preventDefault();
        const device = id.control.value.trim();
        id.complain(device ? '' : 'A registration ID is needed.');
        if (!device) return id.control.focus();
        return tell(async () => {
          const { symmetricKey: keys } = await kind.attestation(group);
          const primary = await derive(keys.primaryKey, device);
          const secrets = [
            ['Derived primary key', primary],
            ['Derived secondary key', await derive(keys.secondaryKey, device)],
            ...atHub(registered(device), primary),
          ];
          result.replaceChildren(...secrets.map(([name, value]) => shown(name, value)));
        });
      },
    },
  }, id, el('div', { class: 'actions' }, el('button', { type: 'submit' }, 'Compute keys')), result);
  // Keys of another device must not stand below this one's name.
  id.control.addEventListener('input', () => result.replaceChildren());
  return el('section', { 'aria-labelledby': 'derive' }, el('h2', { id: 'derive' }, 'Key of a device'),
    el('p', {}, 'A device of this group has a key of its own, computed from the group’s. Give the device that one, never the group’s.'), form);
}
