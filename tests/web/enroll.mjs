// Enrollments of every kind, with what their forms refuse; each then lets its device in.

import assert from 'node:assert/strict';
import { launch, openPage } from './browser.mjs';
import { assertNoFaults, control, focused, goTo, heading, hears, press, reads, renews, write } from './hands.mjs';
import { ask, run, settings } from './talk.mjs';

const HUB = 'contoso-hub.localhost';
const value = (page, name) => control(page, name).then((one) => one.evaluate((input) => input.value));

/** Saves, and sees what is wrong beside the field that has the focus then. */
async function refused(page, name, words, byService = true) {
  if (byService) page.expectRefusal(400);
  await press(page, 'button', 'Save');
  await page.waitForFunction(() => document.activeElement.getAttribute('aria-invalid') === 'true');
  assert.equal((await focused(page)).name, name);
  const said = await page.evaluate(() => document.getElementById(document.activeElement.getAttribute('aria-describedby').split(' ').at(-1)).textContent);
  assert.match(said, words);
}

async function keyed(page) {
  await goTo(page, '#/enrollments/new', 'Add individual enrollment');
  await write(page, 'textbox', 'Registration ID', 'edge device');
  await refused(page, 'Registration ID', /./);
  await write(page, 'textbox', 'Registration ID', 'edge-device');
  await press(page, 'checkbox', 'Generate keys automatically');
  await write(page, 'textbox', 'Primary key', 'not base64!');
  await refused(page, 'Primary key', /./);
  await write(page, 'textbox', 'Primary key', settings.key);
  await write(page, 'textbox', 'Initial device twin', '{"tags": }');
  await refused(page, 'Initial device twin', /JSON/, false);
  // As the tutorial has it.
  await write(page, 'textbox', 'Initial device twin', '{"tags": {"environment": "test"}, "properties": {"desired": {}}}');
  await write(page, 'textbox', 'Device ID', 'my-edge');
  await press(page, 'checkbox', 'IoT Edge device');
  await press(page, 'checkbox', HUB);
  await (await control(page, 'Allocation policy')).select('custom');
  await refused(page, 'Webhook URL', /webhook/i);
  await (await control(page, 'Allocation policy')).select('static');
  await (await control(page, 'When a device registers again')).select('never');
  await press(page, 'button', 'Save');
  await heading(page, 'edge-device');
  await page.reload();
  await heading(page, 'edge-device');
  assert.deepEqual([await value(page, 'Allocation policy'), await value(page, 'When a device registers again'), await value(page, 'Device ID')], ['static', 'never', 'my-edge']);
  assert.match(await value(page, 'Initial device twin'), /"environment": "test"/);
  assert.deepEqual(await page.$$eval('[name=edge]:checked, [name=hub]:checked', (ticks) => ticks.length), 2);
  const { assignedHub, deviceId } = await ask({ do: 'register', id: 'edge-device', key: settings.key });
  assert.deepEqual([assignedHub, deviceId], [HUB, 'my-edge']);
  // Without being asked, the page shows what became of the device.
  await reads(page, 'initialAssignment');
  await press(page, 'link', 'my-edge');
  await heading(page, 'my-edge');
  assert.match(await value(page, 'Tags'), /"environment": "test"/);
  await goTo(page, '#/enrollments/of/edge-device', 'edge-device');
  await press(page, 'button', 'Show keys');
  assert.equal(await value(page, 'Connection string at the hub'), `HostName=${HUB};DeviceId=my-edge;SharedAccessKey=${settings.key}`);
  await goTo(page, '#/enrollments/new', 'Add individual enrollment');
  await write(page, 'textbox', 'Registration ID', 'EDGE-device');
  page.expectRefusal(409);
  await press(page, 'button', 'Save');
  await reads(page, 'Enrollment already exists.');
  assert.equal((await focused(page)).name, 'Registration ID');
  // Whoever says so is not asked again.
  await press(page, 'link', 'Cancel');
  await heading(page, 'Individual enrollments');
}

async function certified(page) {
  await goTo(page, '#/groups/new', 'Add enrollment group');
  await write(page, 'textbox', 'Group name', 'line-7');
  await press(page, 'radio', 'X.509 certificates');
  await refused(page, 'Primary certificate', /needed/, false);
  await write(page, 'textbox', 'Primary certificate', 'no certificate');
  await refused(page, 'Primary certificate', /certificate/i);
  await (await page.$('input[type=file]')).uploadFile(settings.authority);
  await page.waitForFunction(() => document.querySelector('[name=primaryCertificate]').value.includes('-----BEGIN'));
  await press(page, 'button', 'Save');
  await heading(page, 'line-7');
  await reads(page, 'Now: CN=Line 7');
  const { deviceId } = await ask({ do: 'registerCertified', id: 'sn-7' });
  assert.equal(deviceId, 'sn-7');
  await reads(page, 'Delete record');
  // A change of something else keeps the certificate.
  await press(page, 'checkbox', 'IoT Edge device');
  await renews(page, () => press(page, 'button', 'Save changes'));
  await reads(page, 'Now: CN=Line 7');
  await press(page, 'button', 'Delete record of sn-7');
  await renews(page, () => press(page, 'button', 'Delete'));
  await hears(page, 'status', 'The registration of sn-7 is deleted.');
  await reads(page, 'No device has registered with this group yet.');
}

async function withTpm(page) {
  await goTo(page, '#/enrollments/new', 'Add individual enrollment');
  await write(page, 'textbox', 'Registration ID', 'tpm-device');
  await press(page, 'radio', 'TPM');
  await write(page, 'textbox', 'Endorsement key', 'AAAA');
  await refused(page, 'Endorsement key', /endorsementKey/);
  await write(page, 'textbox', 'Endorsement key', settings.endorsementKey);
  await press(page, 'button', 'Save');
  await heading(page, 'tpm-device');
  assert.equal(await page.$('#keys'), null, 'it has no keys to show');
  assert.equal((await ask({ do: 'registerTpm', id: 'tpm-device' })).deviceId, 'tpm-device');
  await reads(page, 'initialAssignment');
  await press(page, 'checkbox', 'Enable this enrollment');
  await renews(page, () => press(page, 'button', 'Save changes'));
  await press(page, 'button', 'Delete this enrollment');
  await press(page, 'button', 'Delete');
  await heading(page, 'Individual enrollments');
  await hears(page, 'status', 'tpm-device deleted.');
}

/** More than one page of a list. */
async function many(page) {
  await goTo(page, '#/enrollments', 'Individual enrollments');
  assert.equal(await page.$$eval('tbody tr', (rows) => rows.length), 100);
  await press(page, 'button', 'Show more');
  await page.waitForFunction(() => document.querySelectorAll('tbody tr').length > 150);
  await page.waitForFunction(() => [...document.querySelectorAll('button')].every((one) => one.textContent !== 'Show more' || one.hidden));
}

run(async () => {
  const browser = await launch(settings);
  const page = await openPage(browser, settings.url);
  await heading(page, 'Overview');
  await keyed(page);
  await certified(page);
  await withTpm(page);
  await many(page);
  assertNoFaults(page);
  await browser.close();
});
