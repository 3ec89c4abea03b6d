// How a person uses the page: with the keyboard alone, and by reading what it says.

import assert from 'node:assert/strict';

/** What has the focus: its role and its name, as a screen reader is told. */
export async function focused(page) {
  const { nodes } = await (await client(page)).send('Accessibility.getFullAXTree');
  const node = nodes.findLast((one) => one.properties?.some((property) => property.name === 'focused' && property.value.value));
  return node ? { role: node.role.value, name: node.name?.value ?? '' } : { role: '', name: '' };
}

const clients = new WeakMap();

async function client(page) {
  if (!clients.has(page)) {
    const made = await page.createCDPSession();
    await made.send('Accessibility.enable');
    clients.set(page, made);
  }
  return clients.get(page);
}

/** Presses Tab until what is called so has the focus. */
export async function tabTo(page, role, name, most = 80) {
  const seen = [];
  for (let presses = 0; presses < most; presses += 1) {
    await page.keyboard.press('Tab');
    const at = await focused(page);
    if (at.role === role && at.name === name) {
      // Whoever uses the keyboard must see where they are.
      const outline = await page.evaluate(() => {
        const style = getComputedStyle(document.activeElement);
        return { style: style.outlineStyle, width: parseFloat(style.outlineWidth) };
      });
      assert.ok(outline.style !== 'none' && outline.width >= 2, `${role} ${name} shows no focus: ${JSON.stringify(outline)}`);
      return;
    }
    seen.push(`${at.role} ${at.name}`);
  }
  assert.fail(`Tab never comes to ${role} ${name}, but to:\n${seen.join('\n')}`);
}

/** Waits for the heading of a view. */
export async function heading(page, text) {
  await page.waitForFunction((wanted) => document.querySelector('h1')?.textContent === wanted
    && !document.getElementById('main').hasAttribute('aria-busy'), {}, text);
}

/** Waits until a live region has said something that contains this. */
export async function hears(page, region, text) {
  await page.waitForFunction((id, wanted) => document.getElementById(id).textContent.includes(wanted), {}, region, text);
}

/** Waits until the content of the page contains this text. */
export async function reads(page, text) {
  await page.waitForFunction((wanted) => document.getElementById('main').textContent.includes(wanted), {}, text);
}

/** Goes to an address of the page and waits for its heading. */
export async function goTo(page, hash, title) {
  await page.evaluate((to) => { location.hash = to; }, hash);
  await heading(page, title);
}

/** Does what makes the view anew, and waits until it is. */
export async function renews(page, action) {
  await page.evaluate(() => { document.querySelector('h1').dataset.old = 'yes'; });
  await action();
  await page.waitForFunction(() => !document.querySelector('h1').dataset.old
    && !document.getElementById('main').hasAttribute('aria-busy'));
}

/** Presses the button or link that is called so. */
export async function press(page, role, name) {
  // Tries again when what it is about to press is made anew.
  await page.locator(`::-p-aria([role="${role}"][name="${name}"])`).click();
}

/** The field that is called so. */
export const control = (page, name) => page.waitForSelector(`::-p-aria([name="${name}"])`);

/** Replaces the text of the field that is called so. */
export async function write(page, role, name, text) {
  const element = await page.waitForSelector(`::-p-aria([role="${role}"][name="${name}"])`);
  await element.evaluate((one) => { one.focus(); one.select(); });
  await page.keyboard.press('Backspace');
  await page.keyboard.type(text);
}

/** Nothing went wrong in the page: no error, no foreign request, no breach of the policy. */
export const assertNoFaults = (page) => assert.deepEqual(page.faults, []);
