// The page: which view the address names, and the login when one is needed.

import { login, onLoginNeeded, service } from './api.js';
import { button, el, link } from './dom.js';
import { field } from './fields.js';
import { complain, isEdited, mayLeave, quiet, words } from './say.js';
import { start as startEvents } from './events.js';
import { overview } from './overview.js';
import { enrollmentList, groupList } from './enrollments.js';
import { addEnrollment, addGroup, oneEnrollment, oneGroup } from './enrollment.js';
import { registrationsView } from './registrations.js';
import { hubList, hubView } from './hubs.js';
import { deviceView } from './device.js';
import { faultsView } from './faults.js';

/** What an address shows: its first parts, and the view for the rest. */
const ROUTES = [
  [[''], overview],
  [['enrollments'], enrollmentList],
  [['enrollments', 'new'], addEnrollment],
  [['enrollments', 'of', null], oneEnrollment],
  [['groups'], groupList],
  [['groups', 'new'], addGroup],
  [['groups', 'of', null], oneGroup],
  [['registrations'], registrationsView],
  [['hubs'], hubList],
  [['hubs', null], hubView],
  [['hubs', null, null], deviceView],
  [['faults'], faultsView],
];

const main = document.getElementById('main');
let leaving = new AbortController();

function find(parts) {
  for (const [pattern, view] of ROUTES) {
    const fits = pattern.length === parts.length && pattern.every((part, at) => part === null || part === parts[at]);
    if (fits) return [view, parts.filter((_, at) => pattern[at] === null)];
  }
  return [nowhere, []];
}

function parts() {
  try {
    return location.hash.replace(/^#?\/?/, '').split('/').map(decodeURIComponent);
  } catch {
    return ['?'];
  }
}

const nowhere = async () => ({ title: 'Not found', nodes: [el('p', {}, 'There is no such view. ', link([''], 'Overview'))] });

/** Shows the view of the address. `focus` is whether the reader is taken to its heading. */
async function show(focus = true) {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  quiet();
  const way = parts();
  for (const one of document.querySelectorAll('nav a')) {
    const [first] = one.hash.slice(2).split('/');
    if (first === way[0]) one.setAttribute('aria-current', way.length === 1 ? 'page' : 'true');
    else one.removeAttribute('aria-current');
  }
  main.setAttribute('aria-busy', 'true');
  try {
    const [view, names] = find(way);
    const { title, nodes } = await view({ names, signal, again: show });
    if (signal.aborted) return;
    place(title, nodes, focus);
  } catch (error) {
    if (signal.aborted) return;
    if (document.getElementById('token')) return;
    const title = error.status === 404 ? 'Not found' : 'This cannot be shown';
    place(title, [el('p', {}, words(error)), el('div', { class: 'actions' }, button('Try again', () => show()))], focus);
  } finally {
    if (!signal.aborted) main.removeAttribute('aria-busy');
  }
}

function place(title, nodes, focus) {
  document.title = `${title} – Local provisioning service`;
  const heading = el('h1', { tabindex: '-1' }, title);
  main.replaceChildren(heading, ...nodes);
  if (focus) {
    heading.focus();
    scrollTo(0, 0);
  }
}

/** The form for the token that the service printed when it started. */
function showLogin() {
  leaving.abort();
  if (document.getElementById('token')) return;
  document.getElementById('nav').hidden = true;
  const token = field('Page token', el('input', { type: 'password', name: 'token', autocomplete: 'current-password', required: true }),
    'The service printed it when it started, as “Page token”. It is new at each start.');
  const form = el('form', {
    id: 'token',
    novalidate: true,
    on: {
      submit: async (event) => {
        event.preventDefault();
        const typed = token.control.value.trim();
        if (!typed) token.complain('A token is needed.');
        // No header can carry anything else.
        else if (!/^[\x21-\x7e]+$/.test(typed)) token.complain('This is not the token of the running service.');
        else {
          try {
            await login(typed);
            await begin();
            return;
          } catch (error) {
            token.complain(error.status === 401 ? 'This is not the token of the running service.' : words(error));
          }
        }
        token.control.focus();
      },
    },
  }, token, el('div', { class: 'actions' }, el('button', { type: 'submit' }, 'Sign in')));
  main.removeAttribute('aria-busy');
  place('Sign in', [form], false);
  token.control.focus();
}

/** Everything that needs to be let in. */
async function begin() {
  const about = await service.about();
  document.getElementById('scope').textContent = about.idScope;
  document.getElementById('nav').hidden = false;
  startEvents();
  await show(document.activeElement !== document.body);
}

onLoginNeeded(showLogin);
let shown = location.hash;
addEventListener('hashchange', async () => {
  if (document.getElementById('token') || document.getElementById('nav').hidden) return;
  // A question about the view that is left needs no answer any more.
  document.getElementById('confirm').close();
  const wanted = location.hash;
  if (isEdited()) {
    history.replaceState(null, '', shown || '#/');
    // The dialog tells that it was closed a little later.
    await new Promise((resolve) => { setTimeout(resolve); });
    if (!await mayLeave()) return;
    history.replaceState(null, '', wanted);
  }
  shown = location.hash;
  await show();
});
addEventListener('beforeunload', (event) => {
  if (isEdited()) event.preventDefault();
});
document.getElementById('skip').addEventListener('click', (event) => {
  event.preventDefault();
  main.focus();
});

async function open() {
  try {
    await begin();
  } catch (error) {
    if (error.status === 401) return;
    complain(error);
    place('The service does not answer', [el('div', { class: 'actions' }, button('Try again', open))], true);
  }
}
open();
