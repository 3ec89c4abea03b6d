// What a script of the browser and the test that runs it say to each other: lines of JSON. The script
// asks for what is not the browser's to do, such as being a device; the test answers.

import readline from 'node:readline';
import { describe } from './browser.mjs';

const answers = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** What the test has said at the start. */
export const settings = JSON.parse((await answers.next()).value);

/** Asks the test to do something. */
export async function ask(what) {
  process.stdout.write(`${JSON.stringify(what)}\n`);
  const { value, done } = await answers.next();
  if (done) throw new Error('the test is gone');
  const answer = JSON.parse(value);
  if (answer.error) throw new Error(answer.error);
  return answer;
}

/** Runs a script to its end and tells the test how it went. */
export async function run(script) {
  try {
    await script();
    process.stdout.write(`${JSON.stringify({ do: 'end' })}\n`, () => process.exit(0));
  } catch (error) {
    const seen = await describe();
    process.stderr.write(`${error.stack}\n\n${seen}\n`, () => process.exit(1));
  }
}
