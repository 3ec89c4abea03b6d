// A browser that trusts one service's certificate and nothing else, and notes whatever a page should
// not do.

import crypto from 'node:crypto';
import fs from 'node:fs';
import tls from 'node:tls';
import puppeteer from 'puppeteer-core';

/** The key of the server's certificate, after its chain and name have been checked. */
function serverKey(host, port, ca) {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ host, port, ca, servername: 'localhost' }, () => {
      const { raw } = socket.getPeerCertificate();
      socket.destroy();
      const key = new crypto.X509Certificate(raw).publicKey.export({ type: 'spki', format: 'der' });
      resolve(crypto.createHash('sha256').update(key).digest('base64'));
    });
    socket.on('error', reject);
  });
}

/** Starts Chromium for the service at `port` of this machine. */
export async function launch({ executable, port, ca, profile }) {
  const key = await serverKey('127.0.0.1', port, fs.readFileSync(ca));
  return puppeteer.launch({
    executablePath: executable,
    headless: true,
    // The browser ends with this script, however that ends.
    pipe: true,
    userDataDir: profile,
    args: [
      // The tests may run as root, where Chromium's sandbox cannot.
      '--no-sandbox',
      '--disable-dev-shm-usage',
      '--disable-gpu',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--no-proxy-server',
      // Errors of other certificates than this key's count.
      `--ignore-certificate-errors-spki-list=${key}`,
    ],
  });
}

const open = new Set();

/** What all tabs show, for whoever reads why a script has failed. */
export async function describe() {
  const tabs = [...open].filter((page) => !page.isClosed()).map(async (page) => {
    const text = await page.evaluate(() => document.body.innerText).catch((error) => error.message);
    return `${page.url()}\n${JSON.stringify(page.faults)}\n${text}`;
  });
  return (await Promise.all(tabs)).join('\n\n');
}

/** A tab at the page, and what went wrong in it: `faults` must stay empty. */
export async function openPage(browser, url, { width = 1100, height = 900, scheme = 'light', refusals = [] } = {}) {
  const page = await browser.newPage();
  const faults = [];
  const expected = [...refusals];
  const { origin } = new URL(url);
  page.setDefaultTimeout(15_000);
  await page.setViewport({ width, height });
  await page.emulateMediaFeatures([
    { name: 'prefers-color-scheme', value: scheme },
    { name: 'prefers-reduced-motion', value: 'reduce' },
  ]);
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`));
  page.on('request', (request) => {
    const asked = request.url();
    if (!asked.startsWith(`${origin}/`)) faults.push(`request to ${asked}`);
  });
  page.on('console', (message) => {
    const text = message.text();
    if (!['error', 'warn', 'warning'].includes(message.type())) return;
    // Chromium itself writes a line for each answer that is a refusal.
    const refusal = /status of (\d+)/.exec(text)?.[1];
    const at = expected.indexOf(Number(refusal));
    if (refusal && at >= 0) expected.splice(at, 1);
    else faults.push(`console: ${text} ${message.location()?.url ?? ''}`);
  });
  await page.evaluateOnNewDocument(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      // Becomes a line of the console, which is a fault.
      console.error(`Content-Security-Policy: ${event.violatedDirective} ${event.blockedURI}`);
    });
  });
  // Whoever leaves by the address or reloads is asked by the browser itself.
  page.on('dialog', (dialog) => {
    if (dialog.type() !== 'beforeunload') faults.push(`dialog: ${dialog.message()}`);
    dialog.accept();
  });
  page.faults = faults;
  open.add(page);
  /** Says that the service is about to refuse with this status. */
  page.expectRefusal = (status) => expected.push(status);
  await page.goto(url, { waitUntil: 'load' });
  return page;
}
