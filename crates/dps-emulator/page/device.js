// One device at its hub: its twin, what it sends, and what it is sent.

import { hubs } from './api.js';
import { button, el, facts, json, link, table, time } from './dom.js';
import { field, line, lines, object, place } from './fields.js';
import { seen } from './events.js';
import { announce, complain, confirmed, tell, words } from './say.js';

/** How many messages are shown. */
const MOST = 200;
/** How long the service may wait for the next message, in seconds. */
const PATIENCE = 20;

export async function deviceView({ names: [host, id], signal, again }) {
  const device = await hubs.device(host, id, signal);
  return {
    title: id,
    nodes: [
      el('p', {}, 'At ', link(['hubs', host], host)),
      facts([
        ['Connection', device.connected ? 'Connected' : 'Disconnected'],
        ['IoT Edge', device.capabilities?.iotEdge ? 'yes' : 'no'],
        ['Registration ID', device.registrationId],
        ['Waiting messages', String(device.waitingMessages)],
        ['Created', device.createdDateTimeUtc && time(device.createdDateTimeUtc)],
      ]),
      telemetry(host, id, signal),
      twin(host, id, device.twin, again),
      sending(host, id),
      el('section', { 'aria-labelledby': 'delete' }, el('h2', { id: 'delete' }, 'Delete'), removal(host, id)),
    ],
  };
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
  const counted = el('p', { 'aria-live': 'polite' });
  let after = 0;
  let count = 0;
  const look = async () => {
    while (!signal.aborted) {
      await seen();
      const { messages } = await hubs.messages(host, id, after, PATIENCE, signal);
      if (messages.length === 0) continue;
      after = messages.at(-1).sequence;
      count += messages.length;
      rows.prepend(messages.toReversed(), MOST);
      counted.textContent = `${count} message${count === 1 ? '' : 's'}`;
    }
  };
  look().catch(complain);
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
  const form = el('form', {
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
          announce('Twin saved.');
          await again();
        } catch (error) {
          if (!place(error, fields, [[/tags/i, 'tags'], [/desired|properties/i, 'desired']])) problem.replaceChildren(el('p', {}, words(error)));
        }
        return undefined;
      },
    },
  }, fields.tags, fields.desired, problem, el('div', { class: 'actions' }, el('button', { type: 'submit' }, 'Save twin')));
  return el('section', { 'aria-labelledby': 'twin' }, el('h2', { id: 'twin' }, 'Twin'),
    el('h3', {}, 'Reported properties'), json(properties?.reported),
    el('div', { class: 'actions' }, button('Refresh', () => again())), form);
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
