// What the page tells its reader: what was done, what went wrong, and what is to be confirmed.

import { button, el } from './dom.js';

const byId = (id) => document.getElementById(id);

/** How long a line stays, in milliseconds, and how many there are at most. */
const STAYS = 12_000;
const MOST = 3;

/** Says politely what happened, below what was said just before; it goes away by itself. */
export function announce(text) {
  const status = byId('status');
  const said = el('p', {}, text);
  status.append(said);
  while (status.childElementCount > MOST) status.firstElementChild.remove();
  setTimeout(() => said.remove(), STAYS);
}

/** The words for an error of the service, or of the way there. */
export function words(error) {
  const code = error.errorCode ? ` (${error.errorCode})` : '';
  return `${error.message}${code}`;
}

/** Says at once that something went wrong; it stays until it is dismissed or the view changes. */
export function complain(error) {
  // A view that was left has aborted what it waited for.
  if (error.name === 'AbortError') return;
  byId('alert').replaceChildren(el('p', {}, words(error)), button('Dismiss', quiet));
}

/** Takes back what `complain` said. */
export const quiet = () => byId('alert').replaceChildren();

/** Runs it, and says what goes wrong. */
export async function tell(action) {
  quiet();
  try {
    return await action();
  } catch (error) {
    complain(error);
    return undefined;
  }
}

/** Runs what nobody has asked for: what was said before stays. */
export async function quietly(action) {
  try {
    await action();
  } catch (error) {
    complain(error);
  }
}

/** Forms that hold what was typed and not saved. */
const unsaved = () => [...document.querySelectorAll('form[data-edited]')];

/** Whether something was typed into a form that wants to be saved. */
export const isEdited = () => unsaved().length > 0;

/** From now on what is typed into the form is not lost without a question. */
export function guard(form) {
  form.addEventListener('input', () => { form.dataset.edited = ''; });
  return form;
}

/** Asks whether what was typed may be lost, if something was. */
export const mayLeave = async () => !isEdited() || confirmed('Leave without saving?', '', 'Leave');

/**
 * Asks; gives whether the answer was yes. The focus goes back to where it was. What follows may make
 * the view anew: whoever has typed something is told.
 */
export function confirmed(title, text, yes) {
  const dialog = byId('confirm');
  byId('confirm-title').textContent = title;
  byId('confirm-text').textContent = isEdited() ? `${text} What you have changed here and not saved is lost.`.trim() : text;
  byId('confirm-yes').textContent = yes;
  return new Promise((resolve) => {
    let answer = false;
    byId('confirm-no').onclick = () => dialog.close();
    byId('confirm-yes').onclick = () => {
      answer = true;
      for (const form of unsaved()) delete form.dataset.edited;
      dialog.close();
    };
    dialog.onclose = () => resolve(answer);
    dialog.showModal();
    // What cannot be undone is not what Enter does first.
    byId('confirm-no').focus();
  });
}
