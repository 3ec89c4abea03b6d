// What devices and foreign programs send is shown as the text that it is.

import assert from 'node:assert/strict';
import { launch, openPage } from './browser.mjs';
import { assertNoFaults, goTo, heading, hears, press, reads, renews, write } from './hands.mjs';
import { ask, run, settings } from './talk.mjs';

const HUB = 'contoso-hub.localhost';
/** Would leave a mark if any of it became an element or a script. */
const HOSTILE = '<img src=x onerror="window.harmed=1"><script>window.harmed=1</script>';
/** A device id that a stranger claims. */
const CLAIMED = '<img src=x onerror=window.harmed=1>';
/** Device ids that hubs allow, one of which our own client can connect as. */
const ODDEST = "a%2F..?b#c+(d)!$'*,=@:";
const ODD = "a..(d)!$'*,=@:";

async function unharmed(page) {
  assert.equal(await page.evaluate(() => window.harmed), undefined);
  assert.equal(await page.$$eval('body img, body script, body iframe', (found) => found.length), 0);
  assertNoFaults(page);
}

run(async () => {
  const browser = await launch(settings);
  const page = await openPage(browser, `${settings.url}#/registrations`);
  await heading(page, 'Registrations');
  await ask({ do: 'knock', id: 'stranger', key: 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=', hub: HUB, deviceId: CLAIMED });
  const row = await page.waitForFunction(() => document.querySelector('tbody tr')?.innerText);
  const said = await row.jsonValue();
  assert.ok(said.includes(CLAIMED) && said.includes('Refused'), said);
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
  await renews(page, () => press(page, 'button', 'Refresh'));
  await page.waitForFunction((text) => [...document.querySelectorAll('pre')].some((pre) => pre.textContent.includes(text)), {}, JSON.stringify(HOSTILE));
  await unharmed(page);
  await ask({ do: 'send', bytes: [0, 159, 146, 150] });
  await reads(page, 'AJ+Slg==');

  await goTo(page, '#/enrollments/of/query', 'query');
  await write(page, 'textbox', 'Device ID', ODDEST);
  await renews(page, () => press(page, 'button', 'Save changes'));
  await ask({ do: 'register', id: 'query', key });
  await goTo(page, `#/hubs/${HUB}`, HUB);
  await press(page, 'link', ODDEST);
  await heading(page, ODDEST);
  await reads(page, 'No telemetry yet');

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
