// What happens at the service, as it happens: one long poll for all views, and a say about what
// arrives, together and not too often.

import { service } from './api.js';
import { announce } from './say.js';

/** How many events are remembered, as in the service. */
const MOST = 1000;
/** How long the service may wait for the next event, in seconds. */
const PATIENCE = 25;
/** What is told at once, in milliseconds. */
const TOGETHER = 1500;

const listeners = new Set();
let known = [];
let running = false;
let untold = [];
let teller;

/** Those that are known, the latest first. */
export const latest = () => known;

/** Calls it with each batch of new events, the latest first, until the view is left. */
export function follow(listener, signal) {
  listeners.add(listener);
  signal.addEventListener('abort', () => listeners.delete(listener));
}

const registered = (event) => event.kind.startsWith('registration');

function tell(events) {
  untold.push(...events.filter(registered));
  if (untold.length === 0 || teller) return;
  teller = setTimeout(() => {
    teller = undefined;
    const devices = [...new Set(untold.map((event) => event.registrationId))];
    const assigned = untold.filter((event) => event.kind === 'registrationAssigned').length;
    const refused = untold.filter((event) => event.kind === 'registrationRefused').length;
    const said = [assigned && `${assigned} assigned`, refused && `${refused} refused`].filter(Boolean).join(', ') || 'asked';
    announce(devices.length === 1 ? `Device ${devices[0]}: ${said}.` : `${devices.length} devices registered: ${said}.`);
    untold = [];
  }, TOGETHER);
}

const pause = (milliseconds) => new Promise((resolve) => {
  setTimeout(resolve, milliseconds);
});

/** A page that nobody sees holds no connection. */
const seen = () => new Promise((resolve) => {
  if (!document.hidden) return resolve();
  document.addEventListener('visibilitychange', function look() {
    if (document.hidden) return;
    document.removeEventListener('visibilitychange', look);
    resolve();
  });
});

/** Begins to listen; once is enough. */
export async function start() {
  if (running) return;
  running = true;
  let after = 0;
  let first = true;
  while (running) {
    await seen();
    try {
      const answer = await service.events(after, first ? 0 : PATIENCE);
      // A service that was started anew counts from the beginning.
      const events = answer.events.toReversed();
      after = answer.last ?? after;
      known = [...events, ...known].slice(0, MOST);
      if (events.length > 0) {
        for (const listener of listeners) listener(events);
        if (!first) tell(events);
      }
      first = false;
    } catch (error) {
      // Until somebody signs in again.
      if (error.status === 401) running = false;
      else await pause(3000);
    }
  }
}
