// One device at its hub: its twin, what it sends, and what it is sent.

import { hubs, session } from './api.js';
import { button, el, facts, json, link, table, time } from './dom.js';
import { field, line, lines, object, place } from './fields.js';
import { keepFresh, pause, whileSeen } from './events.js';
import { announce, complain, confirmed, guard, mayLeave, tell, words } from './say.js';

/** How many messages are shown. */
const MOST = 200;
/** How long the service may wait for the next message, in seconds. */
const PATIENCE = 20;
/** How long before the service is asked again, in milliseconds: for more, and when it failed. */
const BREATH = 300;
const RETRY = 2000;
/** How often the number of messages is said, in milliseconds. */
const SAID = 10_000;

export async function deviceView({ names: [host, id], signal, again }) {
  const device = await hubs.device(host, id, signal);
  return {
    title: id,
    nodes: [
      el('p', {}, 'At ', link(['hubs', host], host)),
      state(device, host, id, signal),
      telemetry(host, id, signal),
      twin(host, id, device.twin, again),
      sending(host, id),
      el('section', { 'aria-labelledby': 'delete' }, el('h2', { id: 'delete' }, 'Delete'), removal(host, id)),
    ],
  };
}

/** How it is, as it changes. */
function state(first, host, id, signal) {
  const part = (device) => facts([
    ['Connection', device.connected ? 'Connected' : 'Disconnected'],
    ['IoT Edge', device.capabilities?.iotEdge ? 'yes' : 'no'],
    ['Registration ID', device.registrationId],
    ['Waiting messages', String(device.waitingMessages)],
    ['Created', device.createdDateTimeUtc && time(device.createdDateTimeUtc)],
  ]);
  const matters = (event) => event.deviceId === id && event.hub?.toLowerCase() === host.toLowerCase();
  return keepFresh(part(first), matters, async () => part(await hubs.device(host, id, signal)), signal);
}

const removal = (host, id) => button('Delete this device', () => tell(async () => {
  const text = 'Its twin and telemetry are lost and its connection ends. When it registers again, it is a new device.';
  if (!await confirmed(`Delete ${id}?`, text, 'Delete')) return;
  await hubs.removeDevice(host, id);
  announce(`${id} deleted from ${host}.`);
  location.hash = `#/hubs/${encodeURIComponent(host)}`;
}), { class: 'danger' });

/** What it sent, the latest first, and what comes while one looks. */
function telemetry(host, id, signal) {
  const rows = table('Telemetry, the latest first', [
    { title: 'When', cell: (message) => time(message.enqueuedTimeUtc) },
    { title: 'Message', heads: true, cell: (message) => el('pre', {}, body(message)) },
    { title: 'Properties', cell: (message) => Object.entries(message.properties ?? {}).map(([name, value]) => `${name}: ${value ?? ''}`).join(', ') || '–' },
  ], [], 'No telemetry yet. It appears here as soon as the device sends some.');
  const counted = el('p');
  // What is read aloud follows what is seen, but not at the pace of the device.
  const said = el('p', { class: 'hidden', role: 'status' });
  const say = setInterval(() => {
    if (said.textContent !== counted.textContent) said.textContent = counted.textContent;
  }, SAID);
  signal.addEventListener('abort', () => clearInterval(say));
  let after = 0;
  let count = 0;
  const look = async () => {
    const before = session();
    const answer = await whileSeen((either) => hubs.messages(host, id, after, PATIENCE, either), signal);
    if (!answer) return;
    // Another service counts its messages anew.
    if (after > 0 && session() !== before) {
      after = 0;
      return;
    }
    const { messages } = answer;
    if (messages.length === 0) return;
    after = messages.at(-1).sequence;
    count += messages.length;
    rows.prepend(messages.slice(-MOST).reverse(), MOST);
    counted.textContent = `${count} message${count === 1 ? '' : 's'}`;
    await pause(BREATH);
  };
  const listen = async () => {
    while (!signal.aborted) {
      try {
        await look();
      } catch (error) {
        // That the service is away is said elsewhere.
        if (error.status !== 0 && !(error.status >= 500)) throw error;
        await pause(RETRY);
      }
    }
  };
  listen().catch(complain);
  return el('section', { 'aria-labelledby': 'telemetry' }, el('h2', { id: 'telemetry' }, 'Telemetry'), counted, rows);
}

/** A body as text; what is none is in base64. */
const body = (message) => message.body ?? message.bodyBase64 ?? '';

function twin(host, id, { tags, properties }, again) {
  const text = (value) => JSON.stringify(value ?? {}, null, 2);
  const desired = without(properties?.desired);
  const fields = {
    tags: field('Tags', lines({ name: 'tags', value: text(tags) }), 'A JSON object that the device does not see.'),
    desired: field('Desired properties', lines({ name: 'desired', rows: '8', value: text(desired) }),
      'A JSON object. The device is told what changes.'),
  };
  const problem = el('div', { class: 'problem', role: 'alert' });
  const form = guard(el('form', {
    novalidate: true,
    on: {
      submit: async (event) => {
        event.preventDefault();
        problem.replaceChildren();
        const given = {};
        for (const [name, one] of Object.entries(fields)) {
          one.complain('');
          try {
            given[name] = object(one.control) ?? {};
          } catch (error) {
            one.complain(error.message);
            return one.control.focus();
          }
        }
        try {
          const changed = { tags: difference(tags ?? {}, given.tags), desired: difference(desired, given.desired) };
          if (!changed.tags && !changed.desired) return announce('Nothing has changed.');
          await hubs.patchTwin(host, id, {
            ...(changed.tags && { tags: changed.tags }),
            ...(changed.desired && { properties: { desired: changed.desired } }),
          });
          delete form.dataset.edited;
          announce('Twin saved.');
          await again();
        } catch (error) {
          if (!place(error, fields, [[/tags/i, 'tags'], [/desired|properties/i, 'desired']])) problem.replaceChildren(el('p', {}, words(error)));
        }
        return undefined;
      },
    },
  }, fields.tags, fields.desired, problem, el('div', { class: 'actions' }, el('button', { type: 'submit' }, 'Save twin'))));
  return el('section', { 'aria-labelledby': 'twin' }, el('h2', { id: 'twin' }, 'Twin'),
    el('h3', {}, 'Reported properties'), json(properties?.reported),
    el('div', { class: 'actions' }, button('Refresh', async () => { if (await mayLeave()) await again(); })), form);
}

const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);

/** The merge patch from one object to another; nothing when they are the same. */
function difference(before, after) {
  // A member may have any name, also one that objects have anyway.
  const patch = Object.create(null);
  for (const name of Object.keys(before)) if (!Object.hasOwn(after, name)) patch[name] = null;
  for (const [name, value] of Object.entries(after)) {
    const was = Object.hasOwn(before, name) ? before[name] : undefined;
    const both = isObject(value) && isObject(was);
    const changed = both ? difference(was, value) : value;
    const same = both ? changed === undefined : JSON.stringify(was) === JSON.stringify(value);
    if (!same) patch[name] = changed;
  }
  return Object.keys(patch).length > 0 ? patch : undefined;
}

/** Properties without what the hub adds. */
const without = (properties) => Object.fromEntries(Object.entries(properties ?? {}).filter(([name]) => !name.startsWith('$')));

/** The form for a message to the device. */
function sending(host, id) {
  const text = field('Message', lines({ name: 'message', rows: '3' }), 'It waits at the hub until the device takes it.');
  const properties = field('Properties', line({ name: 'properties' }), 'A JSON object of texts; may be empty.');
  return el('section', { 'aria-labelledby': 'send' }, el('h2', { id: 'send' }, 'Message to the device'), el('form', {
    novalidate: true,
    on: {
      submit: async (event) => {
        event.preventDefault();
        let given;
        try {
          given = object(properties.control);
          properties.complain('');
        } catch (error) {
          properties.complain(error.message);
          return properties.control.focus();
        }
        return tell(async () => {
          await hubs.send(host, id, { body: text.control.value, ...(given && { properties: given }) });
          text.control.value = '';
          announce('The message is on its way.');
        });
      },
    },
  }, text, properties, el('div', { class: 'actions' }, el('button', { type: 'submit' }, 'Send message'))));
}
