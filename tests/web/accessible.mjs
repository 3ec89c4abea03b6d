// Every view, in light and dark, wide and narrow: nothing that axe knows to be a barrier, and nothing
// that leaves the screen. The pictures are for people to look at.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
import { launch, openPage } from './browser.mjs';
import { assertNoFaults, heading, press, reads } from './hands.mjs';
import { ask, run, settings } from './talk.mjs';

const AXE = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
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
  ['missing', '#/nothing', 'Not found'],
];

async function judge(page, name) {
  // By the debugger: the page's own policy lets no other script in.
  await page.evaluate(AXE);
  const { violations, passes } = await page.evaluate(() => globalThis.axe.run(document, {
    resultTypes: ['violations', 'passes'],
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
  }));
  assert.ok(passes.length > 10, `axe has looked at little of ${name}: ${passes.length}`);
  const told = violations.map((one) => `${one.id}: ${one.help}\n  ${one.nodes.map((node) => `${node.html} ${node.failureSummary}`).join('\n  ')}`);
  assert.deepEqual(told, [], name);
}

async function fits(page, name, width) {
  const [needed, far] = await page.evaluate((limit) => [
    document.scrollingElement.scrollWidth,
    [...document.querySelectorAll('body *')].filter((one) => one.checkVisibility() && !one.closest('.hidden, .skip, thead') && one.getBoundingClientRect().right > limit + 1)
      .map((one) => one.outerHTML.slice(0, 120)),
  ], width);
  assert.ok(needed <= width, `${name} needs ${needed} of ${width} pixels`);
  assert.deepEqual(far, [], `${name} reaches beyond ${width} pixels`);
}

run(async () => {
  const { key } = settings;
  await ask({ do: 'register', id: 'key-device', key });
  await ask({ do: 'connect', id: 'key-device', key, hub: HUB, deviceId: 'key-device' });
  await ask({ do: 'send', body: '{"temperature":21.5,"humidity":60}', properties: {} });
  const browser = await launch(settings);
  let judged = 0;
  for (const scheme of ['light', 'dark']) {
    for (const width of [1100, 320]) {
      const page = await openPage(browser, settings.url, { scheme, width, height: 900 });
      for (const [name, hash, title, first] of VIEWS) {
        const label = `${name}-${scheme}-${width}`;
        await page.goto(`${settings.url}${hash}`);
        // The address alone loads nothing anew.
        await page.reload();
        await heading(page, title);
        await first?.(page);
        await judge(page, label);
        await fits(page, label, width);
        await page.screenshot({ path: path.join(settings.pictures, `${label}.png`), fullPage: true });
        judged += 1;
      }
      assertNoFaults(page);
      await page.close();
    }
  }
  assert.equal(judged, VIEWS.length * 4);
  await browser.close();
});
