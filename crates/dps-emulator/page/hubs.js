// The linked hubs, and the devices of one.

import { hubs } from './api.js';
import { button, el, facts, link, table } from './dom.js';
import { follow } from './events.js';
import { field, line, place, tick } from './fields.js';
import { announce, confirmed, quietly, tell, words } from './say.js';

const RULES = [
  [/weight/i, 'weight'],
  [/region/i, 'region'],
  [/host|hub|name|dot/i, 'host'],
];

const PROOFS = { sas: 'Shared access key', selfSigned: 'X.509, its own', certificateAuthority: 'X.509, an authority’s' };

/** The form that links a hub, or changes how one is linked. */
function linking(hub, done) {
  const fields = {
    ...(hub ? {} : { host: field('Host name', line({ name: 'host', maxlength: '128' }), 'With a dot, for example contoso-hub-2.localhost. It need not exist: this service is the hub.') }),
    weight: field('Allocation weight', el('input', { type: 'number', name: 'weight', min: '0', max: '1000', step: '1', value: String(hub?.allocationWeight ?? 1) }),
      'The share of the devices that are distributed evenly.'),
    region: field('Region', line({ name: 'region', value: hub?.region ?? '' }), 'For the lowest latency, for example westus2.'),
    apply: field('Apply the service’s allocation policy', tick(hub?.applyAllocationPolicy ?? true, { name: 'apply' }),
      'Otherwise only enrollments that name this hub get it.'),
  };
  const problem = el('div', { class: 'problem', role: 'alert' });
  return el('form', {
    novalidate: true,
    on: {
      submit: async (event) => {
        event.preventDefault();
        for (const one of Object.values(fields)) one.complain('');
        problem.replaceChildren();
        const host = hub?.hostName ?? fields.host.control.value.trim();
        if (!host) {
          fields.host.complain('A host name is needed.');
          return fields.host.control.focus();
        }
        const region = fields.region.control.value.trim();
        try {
          await hubs.link(host, {
            allocationWeight: Number(fields.weight.control.value),
            // Null takes it away.
            region: region || null,
            applyAllocationPolicy: fields.apply.control.checked,
          });
          announce(hub ? `${host} changed.` : `${host} linked.`);
          await done();
        } catch (error) {
          if (!place(error, fields, RULES)) problem.replaceChildren(el('p', {}, words(error)));
        }
        return undefined;
      },
    },
  }, Object.values(fields), problem, el('div', { class: 'actions' }, el('button', { type: 'submit' }, hub ? 'Save changes' : 'Link hub')));
}

export async function hubList({ signal, again }) {
  const linked = await hubs.list(signal);
  return {
    title: 'Linked hubs',
    nodes: [
      table('Linked hubs', [
        { title: 'Host name', heads: true, cell: (hub) => link(['hubs', hub.hostName], hub.hostName) },
        { title: 'Region', cell: (hub) => hub.region ?? '–' },
        { title: 'Weight', cell: (hub) => hub.allocationWeight ?? '–' },
        { title: 'Gets devices', cell: (hub) => (!hub.linked ? 'no: unlinked' : hub.applyAllocationPolicy ? 'yes' : 'from enrollments that name it') },
        { title: 'Devices', cell: (hub) => `${hub.deviceCount}, ${hub.connectedCount} connected` },
      ], linked, 'No hub is linked: no device can be assigned.'),
      el('section', { 'aria-labelledby': 'link' }, el('h2', { id: 'link' }, 'Link a hub'), linking(null, again)),
    ],
  };
}

export async function hubView({ names: [host], signal, again }) {
  const [all, first] = await Promise.all([hubs.list(signal), hubs.devices(host, undefined, signal)]);
  const hub = all.find((one) => one.linked && one.hostName.toLowerCase() === host.toLowerCase());
  let { next } = first;
  const rows = table(`Devices of ${host}`, [
    { title: 'Device ID', heads: true, cell: (device) => link(['hubs', host, device.deviceId], device.deviceId) },
    { title: 'Connection', cell: (device) => (device.connected ? 'Connected' : 'Disconnected') },
    { title: 'Authentication', cell: (device) => PROOFS[device.authenticationType] ?? device.authenticationType },
    { title: 'IoT Edge', cell: (device) => (device.capabilities?.iotEdge ? 'yes' : 'no') },
    { title: 'Telemetry', cell: (device) => device.telemetryCount },
  ], first.devices, 'No device has been assigned to this hub yet.');
  const more = button('Show more', () => tell(async () => {
    const page = await hubs.devices(host, next, signal);
    next = page.next;
    rows.add(page.devices);
    more.hidden = !next;
  }), { hidden: !next });
  follow(async (events) => {
    if (next || rows.contains(document.activeElement)) return;
    if (!events.some((event) => event.hub?.toLowerCase() === host.toLowerCase())) return;
    await quietly(async () => {
      const page = await hubs.devices(host, undefined, signal);
      next = page.next;
      rows.fill(page.devices);
      more.hidden = !next;
    });
  }, signal);
  const unlink = button('Unlink this hub', () => tell(async () => {
    const text = 'No more devices are assigned to it. Those that are there stay.';
    if (!await confirmed(`Unlink ${host}?`, text, 'Unlink')) return;
    await hubs.unlink(host);
    announce(`${host} is not linked any more.`);
    location.hash = '#/hubs';
  }), { class: 'danger' });
  return {
    title: host,
    nodes: [
      el('p', {}, link(['hubs'], 'All hubs')),
      facts([['Linked', hub ? 'yes' : 'no']]),
      el('section', { 'aria-labelledby': 'devices' },
        el('h2', { id: 'devices' }, 'Devices'),
        el('div', { class: 'actions' }, button('Refresh', () => again())),
        rows, el('div', { class: 'actions' }, more)),
      hub && el('section', { 'aria-labelledby': 'settings' }, el('h2', { id: 'settings' }, 'Settings'), linking(hub, again)),
      hub && el('section', { 'aria-labelledby': 'unlink' }, el('h2', { id: 'unlink' }, 'Unlink'), unlink),
    ].filter(Boolean),
  };
}
