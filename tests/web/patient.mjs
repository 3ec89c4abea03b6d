// What must not get lost: what was typed, where the reader is, and what comes after the service was
// away.

import assert from 'node:assert/strict';
import { launch, openPage } from './browser.mjs';
import { assertNoFaults, control, focused, goTo, heading, hears, press, reads, renews, tabTo, write } from './hands.mjs';
import { ask, run, settings } from './talk.mjs';

const HUB = 'contoso-hub.localhost';
const DEVICE = 'key-device';
const value = (page, name) => control(page, name).then((one) => one.evaluate((input) => input.value));
const dialogText = (page) => page.waitForSelector('dialog[open] #confirm-text').then((one) => one.evaluate((text) => text.textContent));

/** What was typed and not saved is not lost without a question. */
async function keepsWhatWasTyped(page) {
  await goTo(page, `#/enrollments/of/${DEVICE}`, DEVICE);
  await press(page, 'link', 'Hubs');
  await heading(page, 'Linked hubs');
  await page.goBack();
  await heading(page, DEVICE);
  await write(page, 'textbox', 'Device ID', 'typed');
  await press(page, 'link', 'Hubs');
  assert.match(await dialogText(page), /not saved is lost/);
  await press(page, 'button', 'Cancel');
  await page.waitForSelector('dialog:not([open])');
  assert.equal(await value(page, 'Device ID'), 'typed');
  assert.equal(await page.evaluate(() => location.hash), `#/enrollments/of/${DEVICE}`);
  // What makes the view anew says so, too.
  await press(page, 'button', 'Regenerate secondary key');
  assert.match(await dialogText(page), /will be refused.*not saved is lost/);
  // Whoever goes elsewhere meanwhile has one question before them, not two.
  await page.evaluate(() => { location.hash = '#/hubs'; });
  await page.waitForFunction(() => document.getElementById('confirm-title').textContent === 'Leave without saving?');
  await press(page, 'button', 'Leave');
  await heading(page, 'Linked hubs');
  assert.equal(await page.evaluate(() => location.hash), '#/hubs');
  await goTo(page, `#/enrollments/of/${DEVICE}`, DEVICE);
  assert.equal(await value(page, 'Device ID'), '');
  // Saved is saved.
  await write(page, 'textbox', 'Initial device twin', '{"tags": {"floor": 3}}');
  await renews(page, () => press(page, 'button', 'Save changes'));
  await goTo(page, '#/hubs', 'Linked hubs');
}

/** The button that was pressed goes away with the last page; the reader does not. */
async function keepsThePlace(page) {
  await goTo(page, '#/enrollments', 'Individual enrollments');
  await tabTo(page, 'button', 'Show more', 300);
  await page.keyboard.press('Enter');
  await page.waitForFunction((all) => document.querySelectorAll('tbody tr').length === all, {}, settings.enrollments);
  const { role, name } = await focused(page);
  assert.equal(role, 'link');
  const hundredFirst = await page.$eval('tbody tr:nth-child(101) th', (cell) => cell.textContent);
  assert.equal(name, hundredFirst);
}

/** Without the clipboard the text is ready to be copied by hand. */
async function copiesByHand(browser, page) {
  const session = await browser.target().createCDPSession();
  const { origin } = new URL(settings.url);
  await session.send('Browser.setPermission', { permission: { name: 'clipboard-write', allowWithoutSanitization: false }, setting: 'denied', origin });
  await session.send('Browser.setPermission', { permission: { name: 'clipboard-write' }, setting: 'denied', origin });
  await goTo(page, '#/', 'Overview');
  await press(page, 'button', 'Copy ID scope');
  await hears(page, 'alert', 'Ctrl+C');
  assert.equal(await page.evaluate(() => getSelection().toString()), await page.$eval('.copied code', (code) => code.textContent));
  await press(page, 'button', 'Show connection string of provisioningserviceowner');
  await press(page, 'button', 'Copy connection string');
  await page.waitForFunction(() => {
    const { selectionStart, selectionEnd, value: text } = document.activeElement;
    return text?.startsWith('HostName=') && selectionStart === 0 && selectionEnd === text.length;
  });
}

/** A view that was open while the service was away goes on. */
async function goesOn(page) {
  const { key } = settings;
  await ask({ do: 'register', id: DEVICE, key });
  await goTo(page, `#/hubs/${HUB}/${DEVICE}`, DEVICE);
  await reads(page, 'Disconnected');
  await ask({ do: 'connect', id: DEVICE, key, hub: HUB, deviceId: DEVICE });
  await page.waitForFunction(() => document.querySelector('.facts dd').textContent === 'Connected');
  await ask({ do: 'send', body: 'before', properties: {} });
  await reads(page, 'before');
  assertNoFaults(page);
  await page.setOfflineMode(true);
  // Ends what may be asked already; the next that is asked goes nowhere, and so does the one after it.
  await ask({ do: 'send', body: 'first', properties: {} });
  const misses = () => page.faults.filter((fault) => fault.includes('/messages')).length;
  for (let waited = 0; misses() < 2 && waited < 150; waited += 1) await new Promise((resolve) => { setTimeout(resolve, 100); });
  assert.ok(misses() >= 2);
  await ask({ do: 'send', body: 'meanwhile', properties: {} });
  await page.setOfflineMode(false);
  await reads(page, 'first');
  await reads(page, 'meanwhile');
  // Chromium writes a line for each request that went nowhere, and nothing else may be there.
  const others = page.faults.splice(0).filter((fault) => !fault.includes('net::ERR_INTERNET_DISCONNECTED'));
  assert.deepEqual(others, []);
  await ask({ do: 'disconnect' });
}

/** A browser takes dots in a path for steps: what deletes such a device would unlink its hub. */
async function refusesDots(page) {
  await goTo(page, '#/enrollments/new', 'Add individual enrollment');
  await write(page, 'textbox', 'Registration ID', 'dots');
  await write(page, 'textbox', 'Device ID', '..');
  await press(page, 'button', 'Save');
  await heading(page, 'dots');
  await press(page, 'button', 'Show keys');
  await ask({ do: 'register', id: 'dots', key: await value(page, 'Primary key') });
  await goTo(page, `#/hubs/${HUB}`, HUB);
  await press(page, 'link', '..');
  await reads(page, 'A browser cannot ask for what is called “..”');
}

run(async () => {
  const browser = await launch(settings);
  const page = await openPage(browser, settings.url);
  await heading(page, 'Overview');
  await keepsWhatWasTyped(page);
  await keepsThePlace(page);
  await copiesByHand(browser, page);
  await refusesDots(page);
  await goesOn(page);
  assertNoFaults(page);
  await browser.close();
});
