// One enrollment: a new one, or one that is there with its keys and devices.

import { enrollments, groups, registrations, service, hubs } from './api.js';
import { button, el, facts, link, table, time } from './dom.js';
import { follow, keepFresh } from './events.js';
import { place } from './fields.js';
import { enrollmentFields, RULES, Wrong } from './form.js';
import { derivation, keysSection, newKey } from './keys.js';
import { announce, confirmed, guard, quietly, tell, words } from './say.js';

export const addEnrollment = (view) => add(view, enrollments, 'enrollments', 'Add individual enrollment');
export const addGroup = (view) => add(view, groups, 'groups', 'Add enrollment group');
export const oneEnrollment = (view) => one(view, enrollments, 'enrollments');
export const oneGroup = (view) => one(view, groups, 'groups');

async function surroundings(signal) {
  const [about, linked] = await Promise.all([service.about(signal), hubs.list(signal)]);
  return { about, linked: linked.filter((hub) => hub.linked).map((hub) => hub.hostName) };
}

/** A form around the fields. `save` gets the document; what the service says against it is placed. */
function editor({ parts, fields, read }, label, save, cancel) {
  const problem = el('div', { class: 'problem', role: 'alert' });
  const submit = el('button', { type: 'submit' }, label);
  const form = guard(el('form', {
    novalidate: true,
    on: {
      submit: async (event) => {
        event.preventDefault();
        if (submit.getAttribute('aria-disabled') === 'true') return;
        problem.replaceChildren();
        submit.setAttribute('aria-disabled', 'true');
        const wasEdited = 'edited' in form.dataset;
        try {
          const document = read();
          delete form.dataset.edited;
          await save(document, problem);
        } catch (error) {
          if (wasEdited) form.dataset.edited = '';
          if (error instanceof Wrong) return;
          if (!place(error, fields, RULES)) problem.replaceChildren(el('p', {}, words(error)));
        } finally {
          submit.removeAttribute('aria-disabled');
        }
      },
    },
  }, parts, problem, el('div', { class: 'actions' }, submit, cancel)));
  return form;
}

async function add({ signal }, kind, way, title) {
  const around = await surroundings(signal);
  const fields = enrollmentFields({ kind, document: {}, ...around });
  const form = editor(fields, 'Save', async (document) => {
    const id = document[kind.name];
    const saved = await kind.put(id, document);
    announce(`${saved[kind.name]} added.`);
    location.hash = `#/${way}/of/${encodeURIComponent(saved[kind.name])}`;
  }, el('a', { class: 'button plain', href: `#/${way}`, on: { click: () => { delete form.dataset.edited; } } }, 'Cancel'));
  return { title, nodes: [form] };
}

async function one({ names: [id], signal, again }, kind, way) {
  const [document, around] = await Promise.all([kind.get(id, signal), surroundings(signal)]);
  const { etag } = document;
  const isGroup = kind === groups;
  const fields = enrollmentFields({ kind, document, ...around });
  const form = editor(fields, 'Save changes', async (changed, problem) => {
    try {
      await kind.put(id, changed, etag);
    } catch (error) {
      if (error.status !== 412) throw error;
      conflict(problem, async (present) => {
        await kind.put(id, changed, present);
        announce(`${id} saved.`);
        await again();
      });
      return;
    }
    announce(`${id} saved.`);
    await again();
  });
  const conflict = (problem, overwrite) => {
    problem.closest('form').dataset.edited = '';
    problem.replaceChildren(
      el('p', {}, 'This was changed elsewhere since you opened it, and nothing was saved.'),
      el('div', { class: 'actions' },
        button('Show the present state', () => again()),
        button('Save mine over it', () => tell(async () => {
          const present = await kind.get(id);
          await overwrite(present.etag);
        }), { class: 'danger' })));
  };
  const renew = (member, name) => tell(async () => {
    const attestation = { type: 'symmetricKey', symmetricKey: { [member]: newKey() } };
    await kind.put(id, { ...document, attestation }, etag);
    announce(`The ${name} key is a new one.`);
    await again();
  });
  const remove = button(`Delete this ${isGroup ? 'group' : 'enrollment'}`, () => tell(async () => {
    const text = 'Devices that registered with it keep their identities at their hubs, but cannot register again. This cannot be undone.';
    if (!await confirmed(`Delete ${id}?`, text, 'Delete')) return;
    await kind.remove(id, etag);
    announce(`${id} deleted.`);
    location.hash = `#/${way}`;
  }), { class: 'danger' });
  const devices = isGroup ? await devicesOfGroup(id, signal, again) : { part: ownRegistration(document, id, signal, again) };
  const isKeyed = document.attestation?.type === 'symmetricKey';
  return {
    title: document[kind.name],
    nodes: [
      el('p', {}, link([way], isGroup ? 'All groups' : 'All enrollments')),
      facts([
        ['Created', time(document.createdDateTimeUtc)],
        ['Changed', time(document.lastUpdatedDateTimeUtc)],
      ]),
      isKeyed && keysSection(kind, id, renew, document.registrationState),
      isKeyed && isGroup && derivation(kind, id, (device) => devices.find(device)),
      devices.part,
      el('section', { 'aria-labelledby': 'settings' }, el('h2', { id: 'settings' }, 'Settings'), form),
      el('section', { 'aria-labelledby': 'delete' }, el('h2', { id: 'delete' }, 'Delete'), remove),
    ].filter(Boolean),
  };
}

/** A device at its hub. */
export const deviceLink = (state) => (state.assignedHub && state.deviceId
  ? link(['hubs', state.assignedHub, state.deviceId], state.deviceId) : state.deviceId ?? '–');

const forget = (id, again) => button('Delete record', () => tell(async () => {
  const text = 'The next registration of the device is its first again. Its identity at the hub stays.';
  if (!await confirmed(`Delete the registration of ${id}?`, text, 'Delete')) return;
  await registrations.remove(id);
  announce(`The registration of ${id} is deleted.`);
  await again();
}), { 'aria-label': `Delete record of ${id}` });

/** The registration of an individual enrollment's device, as it changes. */
function ownRegistration(document, id, signal, again) {
  const part = (state) => registration(state, again);
  const matters = (event) => event.registrationId?.toLowerCase() === id.toLowerCase();
  return keepFresh(part(document.registrationState), matters,
    async () => part((await enrollments.get(id, signal)).registrationState), signal);
}

/** What became of the device of an enrollment. */
export function registration(state, again) {
  return el('section', { 'aria-labelledby': 'registration' },
    el('h2', { id: 'registration' }, 'Registration'),
    state ? [facts([
      ['Status', state.status],
      ['Substatus', state.substatus],
      ['Hub', state.assignedHub && link(['hubs', state.assignedHub], state.assignedHub)],
      ['Device ID', deviceLink(state)],
      ['Error', state.errorMessage && `${state.errorMessage} (${state.errorCode})`],
      ['Changed', time(state.lastUpdatedDateTimeUtc)],
    ]), el('div', { class: 'actions' }, forget(state.registrationId, again))]
      : el('p', {}, 'The device has not registered yet.'));
}

async function devicesOfGroup(group, signal, again) {
  const first = await registrations.ofGroup(group, undefined, signal);
  let { next } = first;
  const states = [...first.items];
  const rows = table('Devices that registered with this group', [
    { title: 'Registration ID', heads: true, cell: (state) => state.registrationId },
    { title: 'Status', cell: (state) => state.status },
    { title: 'Hub', cell: (state) => state.assignedHub ?? '–' },
    { title: 'Device ID', cell: deviceLink },
    { title: 'Changed', cell: (state) => time(state.lastUpdatedDateTimeUtc) },
    { title: 'Actions', cell: (state) => forget(state.registrationId, again) },
  ], first.items, 'No device has registered with this group yet.');
  const more = button('Show more', () => tell(async () => {
    const page = await registrations.ofGroup(group, next, signal);
    next = page.next;
    states.push(...page.items);
    rows.add(page.items);
    more.hidden = !next;
  }), { hidden: !next });
  follow(async (events) => {
    // Only as long as there is one page: whoever looks through many would lose their place.
    if (next || rows.contains(document.activeElement)) return;
    if (!events.some((event) => event.kind.startsWith('registration'))) return;
    await quietly(async () => {
      const page = await registrations.ofGroup(group, undefined, signal);
      states.splice(0, states.length, ...page.items);
      rows.fill(page.items);
      next = page.next;
      more.hidden = !next;
    });
  }, signal);
  return {
    part: el('section', { 'aria-labelledby': 'devices' }, el('h2', { id: 'devices' }, 'Devices'), rows, more),
    find: (device) => states.find((state) => state.registrationId.toLowerCase() === device.toLowerCase()),
  };
}
