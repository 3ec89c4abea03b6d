// A service that more than its own machine can reach gives its page to everyone, and its token to
// nobody.

import assert from 'node:assert/strict';
import { launch, openPage } from './browser.mjs';
import { assertNoFaults, focused, heading, reads, tabTo } from './hands.mjs';
import { fits, judge, picture } from './judge.mjs';
import { run, settings } from './talk.mjs';

run(async () => {
  const browser = await launch(settings);
  const page = await openPage(browser, settings.url, { refusals: [401] });
  await heading(page, 'Sign in');
  assert.deepEqual(await focused(page), { role: 'textbox', name: 'Page token' });
  assert.equal(await page.$eval('nav', (nav) => nav.hidden), true);
  await page.keyboard.press('Enter');
  await reads(page, 'A token is needed.');
  page.expectRefusal(401);
  await page.keyboard.type('not-the-token');
  await page.keyboard.press('Enter');
  await reads(page, 'This is not the token of the running service.');
  assert.equal((await focused(page)).name, 'Page token');
  assert.equal(await page.evaluate(() => sessionStorage.length), 0, 'a wrong token is not kept');
  await page.keyboard.down('Control');
  await page.keyboard.press('a');
  await page.keyboard.up('Control');
  await page.keyboard.type(settings.token);
  await tabTo(page, 'button', 'Sign in');
  await page.keyboard.press('Enter');
  await heading(page, 'Overview');
  assert.equal(await page.$eval('nav', (nav) => nav.hidden), false);
  // It is kept for this tab, where no other origin can read it, and nowhere else.
  await page.reload();
  await heading(page, 'Overview');
  assert.equal(await page.evaluate(() => localStorage.length + document.cookie.length), 0);
  assert.ok(!page.url().includes(settings.token));
  assertNoFaults(page);
  for (const [scheme, width] of [['light', 1100], ['dark', 320]]) {
    const other = await openPage(browser, settings.url, { scheme, width, refusals: [401] });
    await heading(other, 'Sign in');
    const name = `login-${scheme}-${width}`;
    await judge(other, name);
    await fits(other, name, width);
    await picture(other, settings.pictures, name);
    assertNoFaults(other);
    await other.close();
  }
  await browser.close();
});
