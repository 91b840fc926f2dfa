// Opens the page at /graphiql in a headless Chromium and does there what a person does.
// node page.mjs <story>; URL: the server's address, TOKEN: of a user. The browser is CHROMIUM, or the one that is installed.
// With SHOTS, a folder, a story that fails leaves pictures there. A line `now` on the output asks the test for the thing that it does meanwhile.
import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { stories } from './stories.mjs';

const { URL: BASE, TOKEN, SHOTS } = process.env;
const BROWSERS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const executablePath = process.env.CHROMIUM ?? BROWSERS.find(existsSync);
if (!executablePath) throw new Error('no Chromium is installed: `make test` installs it, and CHROMIUM says where one is');

const browser = await chromium.launch({
  executablePath,
  // Chromium's own sandbox does not start for root.
  chromiumSandbox: process.getuid() !== 0,
  // Nothing but this machine can be reached.
  args: ['--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'],
});
const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
context.setDefaultTimeout(30_000);

/** What no page of ours does: ask another host, break the policy, fail. */
const faults = [];
const own = (url) => ['data:', 'blob:'].includes(new URL(url).protocol) || new URL(url).host === new URL(BASE).host;
context.on('request', (request) => own(request.url()) || faults.push(`asked ${request.url()}`));
context.on('console', (message) => {
  // The browser tells each refused request; who has no token, or no good one, makes one.
  const refused = message.location().url.endsWith('/graphql') && message.text().includes('status of 401');
  if (['error', 'warning'].includes(message.type()) && !refused) faults.push(`said ${message.text()}`);
});
context.on('weberror', (error) => faults.push(`threw ${error.error()}`));
context.on('page', (page) => page.on('websocket', (socket) => own(socket.url().replace(/^ws/, 'http')) || faults.push(`asked ${socket.url()}`)));

const person = {
  context,
  token: TOKEN,
  faults,
  async open() {
    const page = await context.newPage();
    await page.goto(`${BASE}/`);
    return page;
  },
  now: () => console.log('now'),
};
try {
  await stories[process.argv[2]](person);
  if (faults.length > 0) throw new Error(faults.join('\n'));
} catch (error) {
  for (const [number, page] of context.pages().entries()) {
    if (SHOTS) await page.screenshot({ path: `${SHOTS}/${process.argv[2]}-${number}.png` });
    console.log(`the page shows:\n${await page.locator('body').innerText()}`);
  }
  console.log(`${error.stack}\n${faults.join('\n')}`);
  process.exitCode = 1;
}
await browser.close();
