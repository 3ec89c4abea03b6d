// One device at its hub: its twin, what it sends, and what it is sent.

import { hubs } from './api.js';
import { button, el, facts, json, link, table, time } from './dom.js';
import { field, line, lines, object, place } from './fields.js';
import { announce, complain, tell, words } from './say.js';

/** How many messages are shown. */
const MOST = 200;
/** How long between two looks, in milliseconds. */
const LOOK = 1500;

export async function deviceView({ names: [host, id], signal, again }) {
  const device = await hubs.device(host, id, signal);
  return {
    title: id,
    nodes: [
      el('p', {}, 'At ', link(['hubs', host], host)),
      facts([
        ['Connection', device.connected ? 'Connected' : 'Disconnected'],
        ['IoT Edge', device.capabilities?.iotEdge && 'yes'],
      ]),
      telemetry(host, id, signal),
      twin(host, id, device.twin, again),
      sending(host, id),
    ],
  };
}

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
  let timer;
  const look = async () => {
    if (signal.aborted) return;
    try {
      // What nobody sees is not asked for.
      const { messages } = document.hidden ? { messages: [] } : await hubs.messages(host, id, after, signal);
      if (messages.length > 0) {
        after = messages.at(-1).sequence;
        count += messages.length;
        rows.prepend(messages.toReversed(), MOST);
        counted.textContent = `${count} message${count === 1 ? '' : 's'}`;
      }
      timer = setTimeout(look, LOOK);
    } catch (error) {
      complain(error);
    }
  };
  signal.addEventListener('abort', () => clearTimeout(timer));
  look();
  return el('section', { 'aria-labelledby': 'telemetry' }, el('h2', { id: 'telemetry' }, 'Telemetry'), counted, rows);
}

/** A body as text; what is none is in base64. */
const body = (message) => message.body ?? message.bodyBase64 ?? '';

function twin(host, id, { tags, properties }, again) {
  const text = (value) => JSON.stringify(value ?? {}, null, 2);
  const desired = without(properties?.desired);
  const fields = {
    tags: field('Tags', lines({ name: 'tags', value: text(tags) }), 'JSON. A member with null is removed; the device does not see tags.'),
    desired: field('Desired properties', lines({ name: 'desired', rows: '8', value: text(desired) }),
      'JSON. Members that are left out stay; one with null is removed. The device is told.'),
  };
  const problem = el('div', { class: 'problem', role: 'alert' });
  const form = el('form', {
    novalidate: true,
    on: {
      submit: async (event) => {
        event.preventDefault();
        problem.replaceChildren();
        const patch = {};
        for (const [name, one] of Object.entries(fields)) {
          one.complain('');
          try {
            patch[name] = object(one.control) ?? {};
          } catch (error) {
            one.complain(error.message);
            return one.control.focus();
          }
        }
        try {
          await hubs.patchTwin(host, id, { tags: patch.tags, properties: { desired: patch.desired } });
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
