// Every view, in light and dark, wide and narrow: nothing that axe knows to be a barrier, and nothing
// that leaves the screen. The pictures are for people to look at.

import assert from 'node:assert/strict';
import { launch, openPage } from './browser.mjs';
import { assertNoFaults, heading, press, reads, renews } from './hands.mjs';
import { fits, judge, picture } from './judge.mjs';
import { ask, run, settings } from './talk.mjs';

const HUB = 'contoso-hub.localhost';

const show = (what) => async (page) => {
  await press(page, 'button', `Show ${what}`);
  await page.waitForSelector('.secrets input');
};

/** Name of the picture, address, heading, and what is done first. */
const VIEWS = [
  ['overview', '#/', 'Overview', show('connection string of provisioningserviceowner')],
  ['enrollments', '#/enrollments', 'Individual enrollments'],
  ['enrollment-new', '#/enrollments/new', 'Add individual enrollment', async (page) => {
    await press(page, 'radio', 'X.509 certificates');
    await press(page, 'button', 'Save');
    await reads(page, 'A name is needed.');
  }],
  ['enrollment', '#/enrollments/of/key-device', 'key-device', show('keys')],
  ['enrollment-x509', '#/enrollments/of/x509-device', 'x509-device'],
  ['groups', '#/groups', 'Enrollment groups'],
  ['group-new', '#/groups/new', 'Add enrollment group'],
  ['group', '#/groups/of/key-group', 'key-group', async (page) => {
    await press(page, 'button', 'Regenerate primary key');
    await page.waitForSelector('dialog[open]');
  }],
  ['registrations', '#/registrations', 'Registrations', (page) => reads(page, 'Assigned')],
  ['hubs', '#/hubs', 'Linked hubs'],
  ['hub', `#/hubs/${HUB}`, HUB],
  ['device', `#/hubs/${HUB}/key-device`, 'key-device', (page) => reads(page, 'temperature')],
  ['faults', '#/faults', 'Faults', async (page) => {
    // No device registers any more.
    await renews(page, () => press(page, 'button', 'Add fault'));
    await (await page.waitForSelector('select[name=scope]')).select('registrationId');
    await press(page, 'button', 'Add fault');
    await reads(page, 'A name is needed.');
  }],
  ['missing', '#/nothing', 'Not found'],
];

run(async () => {
  const { key } = settings;
  await ask({ do: 'register', id: 'key-device', key });
  await ask({ do: 'connect', id: 'key-device', key, hub: HUB, deviceId: 'key-device' });
  await ask({ do: 'send', body: '{"temperature":21.5,"humidity":60}', properties: {} });
  const browser = await launch(settings);
  let judged = 0;
  for (const scheme of ['light', 'dark']) {
    for (const width of [1100, 320]) {
      for (const [name, hash, title, first] of VIEWS) {
        const label = `${name}-${scheme}-${width}`;
        const page = await openPage(browser, `${settings.url}${hash}`, { scheme, width, height: 900 });
        await heading(page, title);
        await first?.(page);
        await judge(page, label);
        await fits(page, label, width);
        await picture(page, settings.pictures, label);
        judged += 1;
        assertNoFaults(page);
        await page.close();
      }
    }
  }
  assert.equal(judged, VIEWS.length * 4);
  await browser.close();
});
