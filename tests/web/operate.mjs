// An operator adds a group, with the keyboard alone; its device registers and sends something while
// the operator looks; then settings are changed, twice at once, and everything is deleted.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { launch, openPage } from './browser.mjs';
import { assertNoFaults, control, focused, goTo, heading, hears, press, reads, renews, tabTo, write } from './hands.mjs';
import { ask, run, settings } from './talk.mjs';

const GROUP = 'contoso-us-devices';
const DEVICE = 'Contoso-SimDevice-East';
const HUB = 'contoso-hub.localhost';

const value = (page, name) => control(page, name).then((one) => one.evaluate((input) => input.value));

async function addsGroup(page) {
  await heading(page, 'Overview');
  await tabTo(page, 'link', 'Groups');
  await page.keyboard.press('Enter');
  await heading(page, 'Enrollment groups');
  assert.equal((await focused(page)).name, 'Enrollment groups', 'the reader is taken to the heading');
  await tabTo(page, 'link', 'Add enrollment group');
  await page.keyboard.press('Enter');
  await heading(page, 'Add enrollment group');
  // Without a name it is refused, beside the field, which gets the focus.
  await tabTo(page, 'button', 'Save');
  await page.keyboard.press('Enter');
  assert.equal((await focused(page)).name, 'Group name');
  await reads(page, 'A name is needed.');
  await page.keyboard.type(GROUP);
  await tabTo(page, 'combobox', 'Allocation policy');
  await page.keyboard.type('Lowest');
  await tabTo(page, 'button', 'Save');
  await page.keyboard.press('Enter');
  await heading(page, GROUP);
  await hears(page, 'status', `${GROUP} added.`);
  assert.equal(await value(page, 'Allocation policy'), 'geoLatency');
}

async function readsKeys(page) {
  assert.equal(await page.$('.secrets input'), null, 'no key is shown unasked');
  await tabTo(page, 'button', 'Show keys');
  await page.keyboard.press('Enter');
  const groupKey = await value(page, 'Primary key');
  assert.equal(Buffer.from(groupKey, 'base64').length, 64);
  await tabTo(page, 'button', 'Copy primary key');
  await page.keyboard.press('Enter');
  await hears(page, 'status', 'Primary key copied.');
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), groupKey);
  await tabTo(page, 'textbox', 'Registration ID of the device');
  await page.keyboard.type(DEVICE);
  await page.keyboard.press('Enter');
  const deviceKey = await value(page, 'Derived primary key');
  const expected = crypto.createHmac('sha256', Buffer.from(groupKey, 'base64')).update(DEVICE).digest('base64');
  assert.equal(deviceKey, expected);
  return deviceKey;
}

async function seesItArrive(page, key) {
  await reads(page, 'No device has registered with this group yet.');
  await goTo(page, '#/registrations', 'Registrations');
  const { assignedHub, deviceId } = await ask({ do: 'register', id: DEVICE, key });
  assert.deepEqual([assignedHub, deviceId], [HUB, DEVICE]);
  await hears(page, 'status', `Device ${DEVICE}: assigned.`);
  const row = await page.waitForFunction((name) => {
    const rows = [...document.querySelectorAll('tbody tr')].map((one) => one.innerText);
    return rows.find((text) => text.includes(name) && text.includes('Assigned'));
  }, {}, DEVICE);
  assert.ok((await row.jsonValue()).includes(HUB));
  // Also where nobody has asked for the news.
  await goTo(page, `#/groups/of/${GROUP}`, GROUP);
  await reads(page, 'Delete record');
  await goTo(page, '#/registrations', 'Registrations');
  const refused = await ask({ do: 'register', id: 'somebody-else', key });
  assert.ok(refused.refused, 'the key is that of another device');
  await hears(page, 'status', 'Device somebody-else: refused.');
  assertNoFaults(page);
}

async function seesItsTelemetry(page, key) {
  await goTo(page, `#/hubs/${HUB}`, HUB);
  await press(page, 'link', DEVICE);
  await heading(page, DEVICE);
  await reads(page, 'No telemetry yet');
  await ask({ do: 'connect', id: DEVICE, key, hub: HUB, deviceId: DEVICE });
  await ask({ do: 'send', body: '{"temperature":21.5}', properties: { alert: 'no' } });
  await reads(page, '{"temperature":21.5}');
  await reads(page, 'alert: no');
  await write(page, 'textbox', 'Desired properties', '{"interval": 5, "mode": {"fast": true}}');
  await renews(page, () => press(page, 'button', 'Save twin'));
  await hears(page, 'status', 'Twin saved.');
  const { desired } = await ask({ do: 'desired' });
  assert.deepEqual(JSON.parse(desired), { interval: 5, mode: { fast: true }, $version: 2 });
  // What is taken out of the text is taken out of the twin.
  await write(page, 'textbox', 'Desired properties', '{"interval": 5}');
  await renews(page, () => press(page, 'button', 'Save twin'));
  assert.deepEqual(JSON.parse((await ask({ do: 'desired' })).desired), { mode: null, $version: 3 });
  await write(page, 'textbox', 'Message', 'wake up');
  await press(page, 'button', 'Send message');
  await hears(page, 'status', 'on its way');
  assert.equal((await ask({ do: 'message' })).body, 'wake up');
  await ask({ do: 'disconnect' });
  await press(page, 'button', 'Delete this device');
  await press(page, 'button', 'Delete');
  await heading(page, HUB);
  await hears(page, 'status', `${DEVICE} deleted from ${HUB}.`);
  await reads(page, 'No device has been assigned to this hub yet.');
}

/** Two tabs open the same group; the later one to save is told, and decides. */
async function conflicts(browser, page) {
  await goTo(page, `#/groups/of/${GROUP}`, GROUP);
  const other = await openPage(browser, `${settings.url}#/groups/of/${GROUP}`);
  await heading(other, GROUP);
  await write(other, 'textbox', 'Initial device twin', '{"tags": {"by": "other"}}');
  await press(other, 'button', 'Save changes');
  await hears(other, 'status', `${GROUP} saved.`);
  assertNoFaults(other);
  await other.close();

  await page.bringToFront();
  page.expectRefusal(412);
  await write(page, 'textbox', 'Initial device twin', '{"tags": {"by": "me"}}');
  await press(page, 'button', 'Save changes');
  await reads(page, 'changed elsewhere');
  await renews(page, () => press(page, 'button', 'Show the present state'));
  assert.match(await value(page, 'Initial device twin'), /"other"/);
  page.expectRefusal(412);
  const third = await openPage(browser, `${settings.url}#/groups/of/${GROUP}`);
  await heading(third, GROUP);
  await press(third, 'checkbox', 'IoT Edge device');
  await press(third, 'button', 'Save changes');
  await hears(third, 'status', `${GROUP} saved.`);
  await third.close();
  await page.bringToFront();
  await press(page, 'checkbox', 'Enable this enrollment');
  await press(page, 'button', 'Save changes');
  await reads(page, 'changed elsewhere');
  await renews(page, () => press(page, 'button', 'Save mine over it'));
  await hears(page, 'status', `${GROUP} saved.`);
  const { group } = await ask({ do: 'group', id: GROUP });
  assert.deepEqual([group.status, group.edge], ['disabled', false]);
  assertNoFaults(page);
}

async function regenerates(page, key) {
  await press(page, 'checkbox', 'Enable this enrollment');
  await renews(page, () => press(page, 'button', 'Save changes'));
  await ask({ do: 'register', id: DEVICE, key });
  const before = (await ask({ do: 'group', id: GROUP })).group;
  assert.equal(before.status, 'enabled');
  await press(page, 'button', 'Regenerate primary key');
  await renews(page, () => press(page, 'button', 'Regenerate'));
  await hears(page, 'status', 'The primary key is a new one.');
  const after = (await ask({ do: 'group', id: GROUP })).group;
  assert.notEqual(after.primary, before.primary);
  assert.equal(after.secondary, before.secondary);
  assert.ok((await ask({ do: 'register', id: DEVICE, key })).refused, 'the old key is no key any more');
}

async function deletes(page) {
  await goTo(page, '#/groups', 'Enrollment groups');
  await tabTo(page, 'checkbox', `Select ${GROUP}`);
  await page.keyboard.press('Space');
  await tabTo(page, 'button', 'Delete 1 selected');
  await page.keyboard.press('Enter');
  // Enter at once does nothing: the focus is on Cancel, and comes back.
  await page.waitForSelector('dialog[open]');
  assert.equal((await focused(page)).name, 'Cancel');
  await page.keyboard.press('Enter');
  await page.waitForSelector('dialog:not([open])');
  await page.waitForFunction(() => document.activeElement.getAttribute('aria-disabled') !== 'true');
  assert.equal((await focused(page)).name, 'Delete 1 selected');
  await page.keyboard.press('Enter');
  await page.waitForSelector('dialog[open]');
  await tabTo(page, 'button', 'Delete');
  await page.keyboard.press('Enter');
  await hears(page, 'status', `${GROUP} deleted.`);
  await heading(page, 'Enrollment groups');
  assert.equal((await ask({ do: 'group', id: GROUP })).group, null);
}

async function linksHub(page) {
  await goTo(page, '#/hubs', 'Linked hubs');
  page.expectRefusal(400);
  await write(page, 'textbox', 'Host name', 'no_hub');
  await press(page, 'button', 'Link hub');
  const said = await page.waitForSelector('input[name=host][aria-invalid=true] + .error');
  assert.match(await said.evaluate((one) => one.textContent), /no_hub/);
  await write(page, 'textbox', 'Host name', 'west-hub.localhost');
  await write(page, 'textbox', 'Region', 'westus2');
  await press(page, 'button', 'Link hub');
  await hears(page, 'status', 'west-hub.localhost linked.');
  await press(page, 'link', 'west-hub.localhost');
  await heading(page, 'west-hub.localhost');
  await write(page, 'textbox', 'Region', '');
  await press(page, 'button', 'Save changes');
  await hears(page, 'status', 'west-hub.localhost changed.');
  await goTo(page, '#/hubs', 'Linked hubs');
  const shown = await page.$eval('table', (table) => table.textContent);
  assert.ok(shown.includes('west-hub.localhost') && !shown.includes('westus2'), shown);
  await press(page, 'link', 'west-hub.localhost');
  await heading(page, 'west-hub.localhost');
  await press(page, 'button', 'Unlink this hub');
  await press(page, 'button', 'Unlink');
  await heading(page, 'Linked hubs');
  await page.waitForFunction(() => !document.querySelector('table').textContent.includes('west-hub'));
}

run(async () => {
  const browser = await launch(settings);
  await browser.defaultBrowserContext().overridePermissions(settings.url, ['clipboard-read', 'clipboard-sanitized-write']);
  const page = await openPage(browser, settings.url);
  await addsGroup(page);
  const key = await readsKeys(page);
  await seesItArrive(page, key);
  await seesItsTelemetry(page, key);
  await conflicts(browser, page);
  await regenerates(page, key);
  await deletes(page);
  await linksHub(page);
  assertNoFaults(page);
  await browser.close();
});
