// What happens at the service, as it happens: one long poll for all views, and a say about what
// arrives, together and not too often.

import { service, session } from './api.js';
import { announce, complain, quiet, quietly } from './say.js';

/** How many events are remembered, as in the service. */
const MOST = 1000;
/** How long the service may wait for the next event, in seconds. */
const PATIENCE = 25;
/** How long before the service is asked again when it cannot be reached, in milliseconds. */
const RETRY = 2000;
/** How long is waited for more to tell at once, in milliseconds; and how long after that. */
const TOGETHER = 1500;
const APART = 8000;

const listeners = new Set();
let known = [];
let running = false;
let untold = [];
let teller;
let told = -Infinity;

/** Those that are known, the latest first. */
export const latest = () => known;

/** Calls it with each batch of new events, the latest first, until the view is left. */
export function follow(listener, signal) {
  listeners.add(listener);
  signal.addEventListener('abort', () => listeners.delete(listener));
}

/**
 * Makes a part of a view anew after events that matter to it. It is left alone while the reader is
 * in it: the focus would be lost.
 */
export function keepFresh(part, matters, make, signal) {
  let at = part;
  follow(async (events) => {
    if (!events.some(matters) || at.contains(document.activeElement)) return;
    await quietly(async () => {
      const next = await make();
      if (signal.aborted || at.contains(document.activeElement)) return;
      at.replaceWith(next);
      at = next;
    });
  }, signal);
  return part;
}

/** What is told of a device, by the kind of its event. */
const TOLD = {
  registrationAssigned: 'assigned',
  registrationFailed: 'failed',
  registrationDisabled: 'disabled',
  requestRefused: 'refused',
  connectionRefused: 'refused',
};

function tell(events) {
  untold.push(...events.filter((event) => TOLD[event.kind]));
  if (untold.length === 0 || teller) return;
  teller = setTimeout(() => {
    teller = undefined;
    told = performance.now();
    const devices = new Set(untold.map((event) => event.registrationId ?? 'unknown'));
    const counts = Map.groupBy(untold, (event) => TOLD[event.kind]);
    const said = [...counts].map(([word, all]) => (all.length === 1 ? word : `${all.length} times ${word}`)).join(', ');
    const [device] = devices;
    announce(devices.size === 1 ? `Device ${device}: ${said}.` : `${devices.size} devices: ${said}.`);
    untold = [];
  }, Math.max(TOGETHER, told + APART - performance.now()));
}

export const pause = (milliseconds) => new Promise((resolve) => {
  setTimeout(resolve, milliseconds);
});

/** Waits until somebody sees the page: one that nobody does asks for nothing. */
const seen = () => new Promise((resolve) => {
  if (!document.hidden) return resolve();
  document.addEventListener('visibilitychange', function look() {
    if (document.hidden) return;
    document.removeEventListener('visibilitychange', look);
    resolve();
  });
});

/**
 * Asks as long as somebody sees the page. A browser keeps few connections to one service: tabs that
 * nobody sees must not wait on them. Gives nothing when the page is hidden meanwhile.
 */
export async function whileSeen(ask, signal) {
  await seen();
  const hidden = new AbortController();
  const look = () => document.hidden && hidden.abort();
  document.addEventListener('visibilitychange', look);
  try {
    return await ask(AbortSignal.any([hidden.signal, ...(signal ? [signal] : [])]));
  } catch (error) {
    if (error.name !== 'AbortError' || signal?.aborted) throw error;
    return undefined;
  } finally {
    document.removeEventListener('visibilitychange', look);
  }
}

/** Begins to listen; once is enough. */
export async function start() {
  if (running) return;
  running = true;
  known = [];
  let lost = false;
  let after = 0;
  let first = true;
  while (running) {
    try {
      const before = session();
      const answer = await whileSeen((signal) => service.events(after, first ? 0 : PATIENCE, signal));
      if (!answer) continue;
      // A service that was started anew counts from the beginning.
      if (after > 0 && (answer.last < after || session() !== before)) {
        after = 0;
        known = [];
        continue;
      }
      const events = answer.events.toReversed();
      after = events[0]?.number ?? answer.last;
      known = [...events, ...known].slice(0, MOST);
      if (events.length > 0) {
        for (const listener of listeners) listener(events);
        if (!first) tell(events);
      }
      if (after >= answer.last) first = false;
      if (lost) {
        lost = false;
        quiet();
        announce('The service is there again.');
      }
    } catch (error) {
      // Until somebody signs in again.
      if (error.status === 401) running = false;
      else {
        if (!lost) complain(error);
        lost = true;
        await pause(RETRY);
      }
    }
  }
}
