// How the service misbehaves on purpose: what is set, and the form that sets something.

import { faults } from './api.js';
import { button, el, table } from './dom.js';
import { follow } from './events.js';
import { choice, field, fieldset, line, place } from './fields.js';
import { announce, confirmed, quietly, tell, words } from './say.js';

const KINDS = [
  ['delay', 'Delay: the answer comes later'],
  ['throttle', 'Throttle: 429'],
  ['serverError', 'Server error: 500 to 599'],
  ['drop', 'Drop: the connection breaks in the answer'],
  ['neverAnswer', 'Never answer: silence'],
  ['malformed', 'Malformed: the answer is not what it should be'],
];
const SCOPES = [
  ['', 'Every device'],
  ['registrationId', 'What claims this registration ID'],
  ['enrollment', 'The device of this individual enrollment'],
  ['enrollmentGroupId', 'Devices of this enrollment group'],
];
const TRANSPORTS = [['', 'All'], ['mqtt', 'MQTT'], ['mqtt-ws', 'MQTT in WebSocket'], ['amqp', 'AMQP'], ['amqp-ws', 'AMQP in WebSocket'], ['https', 'HTTPS']];
const OPERATIONS = [['', 'Register and poll'], ['register', 'Register'], ['poll', 'Poll'], ['connect', 'Connect']];
const FORMS = [['notJson', 'No JSON'], ['truncatedJson', 'Truncated JSON'], ['wrongMembers', 'Wrong members'], ['empty', 'Empty']];

/** Members that only some kinds have. */
const MEMBERS = {
  delayMs: ['delay'],
  status: ['serverError'],
  retryAfterSeconds: ['throttle', 'serverError'],
  afterBytes: ['drop'],
  form: ['malformed'],
};

const RULES = [
  [/delayMs/, 'delayMs'],
  [/status/, 'status'],
  [/retryAfterSeconds/, 'retryAfterSeconds'],
  [/afterBytes/, 'afterBytes'],
  [/count/, 'count'],
  [/connect/i, 'operation'],
  [/registrationId|enrollment/, 'whose'],
  [/name/i, 'name'],
];

const label = (options, key) => options.find(([known]) => known === key)?.[1] ?? key;

const what = (fault) => [
  label(KINDS, fault.kind).split(':')[0],
  fault.delayMs !== undefined && `${fault.delayMs} ms`,
  fault.status,
  fault.retryAfterSeconds !== undefined && `retry after ${fault.retryAfterSeconds} s`,
  fault.afterBytes !== undefined && `after ${fault.afterBytes} bytes`,
  fault.form && label(FORMS, fault.form),
].filter(Boolean).join(', ');

function whom(fault) {
  const [member] = SCOPES.find(([name]) => name && fault[name] !== undefined) ?? [''];
  return { registrationId: fault.registrationId, enrollment: `enrollment ${fault.enrollment}`, enrollmentGroupId: `group ${fault.enrollmentGroupId}` }[member] ?? 'every device';
}

export async function faultsView({ signal, again }) {
  const first = await faults.list(signal);
  const remove = (fault) => button('Remove', () => tell(async () => {
    await faults.remove(fault.name);
    announce(`${fault.name} removed.`);
    await again();
  }), { 'aria-label': `Remove ${fault.name}` });
  const rows = table('Faults, in the order in which they are looked at', [
    { title: 'Name', heads: true, cell: (fault) => fault.name },
    { title: 'What', cell: what },
    { title: 'Whom', cell: whom },
    { title: 'Where', cell: (fault) => `${label(OPERATIONS, fault.operation ?? '')}, ${fault.transport ? label(TRANSPORTS, fault.transport) : 'all transports'}` },
    { title: 'Struck', cell: (fault) => (fault.count ? `${fault.struck} of ${fault.count}` : `${fault.struck}`) },
    { title: 'Actions', cell: remove },
  ], first, 'There is no fault: the service does what it should.');
  follow(() => {
    if (rows.contains(document.activeElement)) return;
    quietly(async () => {
      const now = await faults.list(signal);
      if (!signal.aborted && !rows.contains(document.activeElement)) rows.fill(now);
    });
  }, signal);
  const clear = button('Remove all faults', () => tell(async () => {
    if (!await confirmed('Remove all faults?', 'The service then does what it should, for all devices.', 'Remove all')) return;
    await faults.clear();
    announce('All faults removed.');
    await again();
  }), { class: 'danger', disabled: first.length === 0 });
  return {
    title: 'Faults',
    nodes: [
      el('p', {}, 'How the service misbehaves on purpose, so that you see whether devices bear it. Of several that fit a request, the first one strikes.'),
      el('div', { class: 'actions' }, clear),
      rows,
      el('section', { 'aria-labelledby': 'add' }, el('h2', { id: 'add' }, 'Add a fault'), adding(first, again)),
    ],
  };
}

/** The first name of the form `fault-1` that is free. */
function freeName(present) {
  const names = new Set(present.map((fault) => fault.name.toLowerCase()));
  let number = 1;
  while (names.has(`fault-${number}`)) number += 1;
  return `fault-${number}`;
}

const number = (name, min, max, value = '') => el('input', { type: 'number', name, min, max, step: '1', value });

function select(name, options) {
  const control = choice(options, options[0][0]);
  control.name = name;
  return control;
}

function adding(present, again) {
  const fields = {
    name: field('Name', line({ name: 'name', value: freeName(present), maxlength: '128' }), 'One that is there is replaced.'),
    kind: field('What happens', select('kind', KINDS)),
    delayMs: field('Delay in milliseconds', number('delayMs', '1', '600000', '3000')),
    status: field('Status', number('status', '500', '599', '500')),
    retryAfterSeconds: field('Retry after, in seconds', number('retryAfterSeconds', '0', '86400'), 'When empty, it is not said.'),
    afterBytes: field('After so many bytes of the answer', number('afterBytes', '0', '1048576', '0')),
    form: field('Form', select('form', FORMS)),
    scope: field('Whom', select('scope', SCOPES)),
    whose: field('Its name', line({ name: 'whose', maxlength: '128' })),
    transport: field('Transport', select('transport', TRANSPORTS)),
    operation: field('At', select('operation', OPERATIONS)),
    count: field('How often', number('count', '1', '4294967295'), 'When empty, until it is removed.'),
  };
  const text = (name) => fields[name].control.value.trim();
  const show = () => {
    for (const [member, kinds] of Object.entries(MEMBERS)) fields[member].hidden = !kinds.includes(text('kind'));
    fields.whose.hidden = !text('scope');
  };
  fields.kind.control.addEventListener('change', show);
  fields.scope.control.addEventListener('change', show);
  show();
  const problem = el('div', { class: 'problem', role: 'alert' });
  const save = async () => {
    problem.replaceChildren();
    for (const one of Object.values(fields)) one.complain('');
    const wrong = ['name', ...(text('scope') ? ['whose'] : [])].find((name) => !text(name));
    if (wrong) {
      fields[wrong].complain('A name is needed.');
      return fields[wrong].control.focus();
    }
    // A browser gives no text for what is no number.
    const odd = Object.values(fields).find((one) => !one.hidden && one.control.validity.badInput);
    if (odd) {
      odd.complain('This is not a number.');
      return odd.control.focus();
    }
    const fault = { kind: text('kind') };
    if (text('scope')) fault[text('scope')] = text('whose');
    for (const name of ['transport', 'operation']) if (text(name)) fault[name] = text(name);
    for (const name of ['delayMs', 'status', 'retryAfterSeconds', 'afterBytes', 'count']) {
      if (!fields[name].hidden && text(name)) fault[name] = Number(text(name));
    }
    if (!fields.form.hidden) fault.form = text('form');
    try {
      const { name } = await faults.set(text('name'), fault);
      announce(`${name} set.`);
      await again();
    } catch (error) {
      if (!place(error, fields, RULES)) problem.replaceChildren(el('p', {}, words(error)));
    }
    return undefined;
  };
  return el('form', {
    novalidate: true,
    on: {
      submit: (event) => {
        event.preventDefault();
        return save();
      },
    },
  }, fields.name, fields.kind, fields.delayMs, fields.status, fields.retryAfterSeconds, fields.afterBytes, fields.form,
  fieldset('Whom and where', fields.scope, fields.whose, fields.transport, fields.operation), fields.count, problem,
  el('div', { class: 'actions' }, el('button', { type: 'submit' }, 'Add fault')));
}
