// An operator lets the service misbehave, sees a device bear it, and lets it behave again.

import assert from 'node:assert/strict';
import { launch, openPage } from './browser.mjs';
import { assertNoFaults, control, focused, goTo, heading, hears, press, reads, renews, tabTo, write } from './hands.mjs';
import { ask, run, settings } from './talk.mjs';

const DEVICE = 'key-device';
const row = (page, name) => page.evaluate((wanted) => [...document.querySelectorAll('tbody tr')]
  .find((one) => one.querySelector('th').textContent === wanted)?.innerText.replace(/\s+/g, ' '), name);

run(async () => {
  const browser = await launch(settings);
  const page = await openPage(browser, `${settings.url}#/faults`);
  await heading(page, 'Faults');
  await reads(page, 'There is no fault');
  assert.equal(await page.$eval('button.danger', (clear) => clear.disabled), true);

  // With the keyboard alone. What is out of range, the service says beside its field.
  await tabTo(page, 'combobox', 'What happens');
  await page.keyboard.type('Throttle');
  await tabTo(page, 'spinbutton', 'Retry after, in seconds');
  await page.keyboard.type('86401');
  await tabTo(page, 'combobox', 'Whom');
  await page.keyboard.type('What claims');
  await tabTo(page, 'textbox', 'Its name');
  await page.keyboard.type(DEVICE);
  await tabTo(page, 'spinbutton', 'How often');
  await page.keyboard.type('2');
  page.expectRefusal(400);
  await page.keyboard.press('Enter');
  await page.waitForSelector('input[name=retryAfterSeconds][aria-invalid=true]');
  assert.equal((await focused(page)).name, 'Retry after, in seconds');
  await write(page, 'spinbutton', 'Retry after, in seconds', '1');
  await renews(page, () => page.keyboard.press('Enter'));
  await hears(page, 'status', 'fault-1 set.');
  assert.match(await row(page, 'fault-1'), /Throttle, retry after 1 s key-device Register and poll, all transports 0 of 2/);

  // Twice the device is told to come again later; then it is let in. The table tells without being asked.
  const { assignedHub } = await ask({ do: 'register', id: DEVICE, key: settings.key });
  assert.ok(assignedHub);
  await reads(page, '2 of 2');

  // A member that the kind does not have is not sent, though its field holds something.
  assert.equal(await page.$eval('input[name=name]', (input) => input.value), 'fault-2');
  await (await control(page, 'What happens')).select('drop');
  await write(page, 'spinbutton', 'After so many bytes of the answer', '7');
  await (await control(page, 'What happens')).select('malformed');
  await (await page.$('select[name=form]')).select('empty');
  await (await control(page, 'Transport')).select('amqp-ws');
  await (await page.$('select[name=operation]')).select('connect');
  page.expectRefusal(400);
  await press(page, 'button', 'Add fault');
  await page.waitForSelector('select[name=operation][aria-invalid=true]');
  await (await page.$('select[name=operation]')).select('poll');
  await renews(page, () => press(page, 'button', 'Add fault'));
  assert.match(await row(page, 'fault-2'), /Malformed, Empty every device Poll, AMQP in WebSocket 0/);

  await renews(page, () => press(page, 'button', 'Remove fault-1'));
  await hears(page, 'status', 'fault-1 removed.');
  assert.equal(await row(page, 'fault-1'), undefined);
  assert.equal((await focused(page)).name, 'Faults');
  await press(page, 'button', 'Remove all faults');
  await renews(page, () => press(page, 'button', 'Remove all'));
  await reads(page, 'There is no fault');
  await goTo(page, '#/', 'Overview');
  assertNoFaults(page);
  await browser.close();
});
