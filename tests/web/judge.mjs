// What can be said of a view without a person: axe's rules, and whether it fits the screen. The
// pictures are for people to look at.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';

const AXE = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Nothing that axe knows to be a barrier. */
export async function judge(page, name) {
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

/** Nothing leaves the screen. */
export async function fits(page, name, width) {
  const [needed, far] = await page.evaluate((limit) => [
    document.scrollingElement.scrollWidth,
    [...document.querySelectorAll('body *')].filter((one) => one.checkVisibility() && !one.closest('.hidden, .skip, thead') && one.getBoundingClientRect().right > limit + 1)
      .map((one) => one.outerHTML.slice(0, 120)),
  ], width);
  assert.ok(needed <= width, `${name} needs ${needed} of ${width} pixels`);
  assert.deepEqual(far, [], `${name} reaches beyond ${width} pixels`);
}

/** A picture of all of the view. */
export const picture = (page, folder, name) => page.screenshot({ path: path.join(folder, `${name}.png`), fullPage: true });
