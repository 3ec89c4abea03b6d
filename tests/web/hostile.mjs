// What devices and foreign programs send is shown as the text that it is.

import assert from 'node:assert/strict';
import { launch, openPage } from './browser.mjs';
import { assertNoFaults, goTo, heading, hears, press, reads, write } from './hands.mjs';
import { ask, run, settings } from './talk.mjs';

const HUB = 'contoso-hub.localhost';
/** Would leave a mark if any of it became an element or a script. */
const HOSTILE = '<img src=x onerror="window.harmed=1"><script>window.harmed=1</script>';
/** All that a hub lets a device be called. */
const ODD = "a%2F..?b#c(d)!$'*,=@:";

async function unharmed(page) {
  assert.equal(await page.evaluate(() => window.harmed), undefined);
  assert.equal(await page.$$eval('main img, main script, main iframe, #status *', (found) => found.length), 0);
  assertNoFaults(page);
}

run(async () => {
  const browser = await launch(settings);
  const page = await openPage(browser, `${settings.url}#/registrations`);
  await heading(page, 'Registrations');
  // The registration id is what a stranger has written into the path.
  const { status } = await ask({ do: 'put', path: `/0ne00111111/registrations/${encodeURIComponent(HOSTILE)}/register?api-version=2021-06-01` });
  assert.ok(status >= 400, String(status));
  const refusals = await page.waitForFunction(() => document.querySelector('tbody')?.innerText);
  assert.match(await refusals.jsonValue(), /Refused/);
  await unharmed(page);

  // An enrollment whose device has an odd name, and a twin with odd members.
  await goTo(page, '#/enrollments/new', 'Add individual enrollment');
  await write(page, 'textbox', 'Registration ID', 'query');
  await write(page, 'textbox', 'Device ID', ODD);
  await write(page, 'textbox', 'Initial device twin', JSON.stringify({ tags: { [HOSTILE]: HOSTILE }, properties: { desired: { __proto__: 1, constructor: HOSTILE } } }));
  await press(page, 'button', 'Save');
  await heading(page, 'query');
  await press(page, 'button', 'Show keys');
  const key = await (await page.waitForSelector('.secrets input')).evaluate((input) => input.value);
  await ask({ do: 'register', id: 'query', key });
  await ask({ do: 'connect', id: 'query', key, hub: HUB, deviceId: ODD });
  await ask({ do: 'send', body: HOSTILE, properties: { [HOSTILE]: HOSTILE } });
  await goTo(page, `#/hubs/${HUB}`, HUB);
  await press(page, 'link', ODD);
  await heading(page, ODD);
  await reads(page, HOSTILE);
  await reads(page, `${HOSTILE}: ${HOSTILE}`);
  await ask({ do: 'report', patch: JSON.stringify({ [HOSTILE.replaceAll('.', '')]: HOSTILE }) });
  await press(page, 'button', 'Refresh');
  await page.waitForFunction((text) => [...document.querySelectorAll('pre')].some((pre) => pre.textContent.includes(text)), {}, JSON.stringify(HOSTILE));
  await unharmed(page);
  await ask({ do: 'send', bytes: [0, 159, 146, 150] });
  await reads(page, 'AJ+Slg==');

  // An address that was made by somebody else.
  page.expectRefusal(404);
  await goTo(page, `#/groups/of/${encodeURIComponent(HOSTILE)}`, 'Not found');
  await unharmed(page);
  await goTo(page, `#/${encodeURIComponent(HOSTILE)}`, 'Not found');
  await goTo(page, '#/%', 'Not found');
  await unharmed(page);

  // Even a mistake in the page's own scripts could not make elements out of text.
  const refused = await page.evaluate((text) => {
    try {
      document.getElementById('main').innerHTML = text;
      return 'done';
    } catch (error) {
      return error.name;
    }
  }, HOSTILE);
  assert.equal(refused, 'TypeError');
  await browser.close();
});
