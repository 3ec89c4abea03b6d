// What devices ask of the service, live; and what is known of one device.

import { registrations } from './api.js';
import { button, el, link, table, time } from './dom.js';
import { registration } from './enrollment.js';
import { follow, latest } from './events.js';
import { field, line } from './fields.js';
import { words } from './say.js';

/** How many are shown. */
const MOST = 200;

const KINDS = {
  registrationRequested: 'Requested',
  registrationChallenged: 'Challenged',
  registrationAssigned: 'Assigned',
  registrationFailed: 'Failed',
  registrationDisabled: 'Disabled',
  requestRefused: 'Refused',
  connectionRefused: 'Refused',
  deviceConnected: 'Connected',
  deviceDisconnected: 'Disconnected',
  deviceRefused: 'Refused',
  hubLinked: 'Hub linked',
  hubUnlinked: 'Hub unlinked',
};

/** What to look for in colour; the words say it, too. */
const LOOKS = { Assigned: 'good', Connected: 'good', Refused: 'bad', Failed: 'bad', Disabled: 'bad' };

const kind = (event) => {
  const name = KINDS[event.kind] ?? event.kind;
  return el('span', { class: `event ${LOOKS[name] ?? ''}` }, name);
};

const details = (event) => [event.reason, event.errorCode && `(${event.errorCode})`].filter(Boolean).join(' ') || '–';

export async function registrationsView({ signal }) {
  const rows = table('What happened, the latest first', [
    { title: 'When', cell: (event) => time(event.timeUtc) },
    { title: 'Device', heads: true, cell: (event) => event.registrationId ?? event.deviceId ?? '–' },
    { title: 'What', cell: kind },
    { title: 'Hub', cell: (event) => (event.hub && event.deviceId ? link(['hubs', event.hub, event.deviceId], event.hub) : event.hub ?? '–') },
    { title: 'Details', cell: details },
  ], latest().slice(0, MOST), 'Nothing has happened yet. Devices appear here as soon as they ask.');
  let missed = null;
  follow((events) => {
    if (missed) missed = [...events, ...missed].slice(0, MOST);
    else rows.prepend(events, MOST);
  }, signal);
  const pause = button('Pause', () => {
    if (missed) rows.prepend(missed, MOST);
    missed = missed ? null : [];
    pause.setAttribute('aria-pressed', missed ? 'true' : 'false');
  }, { 'aria-pressed': 'false' });
  return {
    title: 'Registrations',
    nodes: [
      el('p', {}, 'What devices ask of the service, and what becomes of it, as it happens.'),
      el('div', { class: 'actions' }, pause),
      rows,
      el('section', { 'aria-labelledby': 'one' }, el('h2', { id: 'one' }, 'One device'), lookup()),
    ],
  };
}

/** The form that asks for one device. */
function lookup() {
  const id = field('Registration ID', line({ name: 'lookup', maxlength: '128' }));
  const found = el('div', { 'aria-live': 'polite' });
  const look = async () => {
    const device = id.control.value.trim();
    id.complain(device ? '' : 'A registration ID is needed.');
    found.replaceChildren();
    if (!device) return id.control.focus();
    try {
      found.replaceChildren(registration(await registrations.get(device), async () => found.replaceChildren()));
    } catch (error) {
      id.complain(words(error));
    }
    return undefined;
  };
  return el('form', {
    novalidate: true,
    class: 'lookup',
    on: {
      submit: async (event) => {
        event.preventDefault();
        await look();
      },
    },
  }, id, el('div', { class: 'actions' }, el('button', { type: 'submit' }, 'Show')), found);
}
