// What the service is and where.

import { service } from './api.js';
import { button, el, facts, link, table } from './dom.js';
import { copy, hidden } from './keys.js';

const POLICIES = {
  hashed: 'Evenly weighted distribution', geoLatency: 'Lowest latency', static: 'Static configuration', custom: 'Custom (webhook)',
};

const at = (endpoint) => endpoint && `${endpoint.host.includes(':') ? `[${endpoint.host}]` : endpoint.host}:${endpoint.port}`;

/** A value with a button that copies it. */
function copied(name, value) {
  if (!value) return undefined;
  const text = el('code', {}, value);
  return el('span', { class: 'copied' }, text, ' ', button('Copy', () => copy(value, name, text), { 'aria-label': `Copy ${name}` }));
}

export async function overview({ signal }) {
  const about = await service.about(signal);
  const networks = about.deviceNetworks ?? [];
  return {
    title: 'Overview',
    nodes: [
      facts([
        ['ID scope', copied('ID scope', about.idScope)],
        ['MQTT', copied('MQTT endpoint', at(about.mqtt))],
        ['AMQP', copied('AMQP endpoint', at(about.amqp))],
        ['HTTPS, WebSockets', copied('HTTPS endpoint', at(about.https))],
        ['Allocation policy', POLICIES[about.allocationPolicy] ?? about.allocationPolicy],
        ['Linked hubs', el('span', {}, about.hubs.length, ' – ', link(['hubs'], 'show'))],
        ['Version', about.version],
      ]),
      el('section', { 'aria-labelledby': 'policies' },
        el('h2', { id: 'policies' }, 'Shared access policies'),
        el('p', {}, 'With a connection string, programs use the service API.'),
        about.connectionStrings.map((one) => el('section', { class: 'policy' },
          el('h3', {}, one.keyName),
          el('p', { class: 'hint' }, one.rights.join(', ')),
          hidden(`connection string of ${one.keyName}`, async () => [['Connection string', one.connectionString]])))),
      networks.length > 0 && el('section', { 'aria-labelledby': 'networks' },
        el('h2', { id: 'networks' }, 'Latency by network'),
        table('Networks of devices and their latency to hubs', [
          { title: 'Network', heads: true, cell: (one) => one.network },
          { title: 'Latency', cell: (one) => Object.entries(one.latencyMs).map(([name, ms]) => `${name} ${ms} ms`).join(', ') },
        ], networks, '')),
    ].filter(Boolean),
  };
}
