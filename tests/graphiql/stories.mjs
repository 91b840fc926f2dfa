// What people do at /graphiql. Each story fails by throwing.

const door = (page) => page.getByLabel('A token is needed');
const editor = (page) => page.locator('.graphiql-query-editor .view-line').first();

/** Gives a token at the door. */
async function enter(page, token) {
  await door(page).fill(token);
  await page.getByRole('button', { name: 'Open GraphiQL' }).click();
}

/** Runs the operation of an example's tab. */
async function run(page, tab) {
  await editor(page).waitFor();
  await page.getByRole('tab', { name: tab }).click();
  // GraphiQL reads what is in a tab a tenth of a second after it was shown.
  await page.evaluate(() => new Promise((go) => setTimeout(go, 300)));
  await page.getByRole('button', { name: 'Execute query' }).click();
}

/** Waits until the answer shows this text. */
async function shown(page, text) {
  const lines = page.locator('.result-window .view-line');
  await lines.filter({ hasText: text }).first().waitFor();
}

function assert(held, what) {
  if (!held) throw new Error(what);
}

export const stories = {
  /** Runs queries and a mutation from the examples; finds the explorer and the documentation. */
  async asks({ open, token }) {
    const page = await open();
    await enter(page, token);
    await editor(page).waitFor();
    assert(page.url().endsWith('/graphiql'), `the address leads to ${page.url()}`);
    await run(page, 'Projects');
    await shown(page, 'Supplier dispute');
    await run(page, 'StartRun');
    await shown(page, '"run_');
    await run(page, 'ReplayRun');
    await shown(page, 'RUN_QUEUED');
    await run(page, 'ProjectHistory');
    await shown(page, '"runCount"');
    await page.getByRole('button', { name: 'Show GraphiQL Explorer' }).click();
    await page.locator('.graphiql-explorer-root').getByText('audit').first().waitFor();
    await page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
    await page.getByRole('link', { name: 'Subscription', exact: true }).click();
    await page.locator('.graphiql-doc-explorer').getByText('runEvents').waitFor();
  },

  /** Follows a run that goes on only when this asks for it. */
  async follows({ open, token, now }) {
    const page = await open();
    await enter(page, token);
    await run(page, 'FollowRun');
    await shown(page, 'TOOL_CALLED');
    const before = await page.locator('.result-window').innerText();
    assert(!before.includes('RUN_COMPLETED'), 'the run has ended too early');
    now();
    await shown(page, 'RUN_COMPLETED');
    await page.getByRole('button', { name: 'Execute query' }).waitFor();
  },

  /** The token outlives a reload; another tab does not have it, and after this one nobody does. */
  async keeps({ open, token }) {
    const page = await open();
    await enter(page, token);
    await editor(page).waitFor();
    await page.reload();
    await editor(page).waitFor();
    const other = await open();
    await door(other).waitFor();
    const kept = await page.evaluate(() => JSON.stringify({ ...localStorage }) + document.cookie);
    assert(kept.includes('graphiql') && !kept.includes(token), `the browser keeps ${kept}`);
    await page.getByRole('button', { name: 'Forget the token' }).click();
    await door(page).waitFor();
    await page.reload();
    await door(page).waitFor();
    const left = await page.evaluate(() => JSON.stringify({ ...sessionStorage }));
    assert(!left.includes(token), `the tab keeps ${left}`);
  },

  /** A token that the server does not know is refused with a sentence, and a good one is taken after it. */
  async mistypes({ open, token }) {
    const page = await open();
    for (const wrong of [`${token}x`, `${token}…`]) {
      await enter(page, wrong);
      await page.getByRole('alert').filter({ hasText: 'does not take this token' }).waitFor();
      await page.reload();
    }
    await enter(page, token);
    await editor(page).waitFor();
  },

  /** Who forgets the token watches no longer. */
  async leaves({ open, token }) {
    const page = await open();
    await enter(page, token);
    const opened = page.waitForEvent('websocket');
    await run(page, 'FollowRun');
    await shown(page, 'TOOL_CALLED');
    const socket = await opened;
    const closed = socket.waitForEvent('close');
    await page.getByRole('button', { name: 'Forget the token' }).click();
    await closed;
    await door(page).waitFor();
  },

  /** The token ends while the page watches. */
  async loses({ open, token, now }) {
    const page = await open();
    await enter(page, token);
    await run(page, 'FollowRun');
    await shown(page, 'TOOL_CALLED');
    now();
    await page.getByRole('alert').filter({ hasText: 'does not take this token' }).waitFor();
    await page.reload();
    await door(page).waitFor();
  },

  /** In development mode there is no door. */
  async develops({ open }) {
    const page = await open();
    await editor(page).waitFor();
    await page.getByText('development mode').waitFor();
    await run(page, 'CreateProject');
    await shown(page, '"project_');
    assert((await door(page).count()) === 0, 'there is a door');
  },

  /** The page cannot ask another host, and this would see it if it did. */
  async strays({ open, faults }) {
    const page = await open();
    // Each answers if it went through.
    const tries = {
      fetch: () => fetch('http://elsewhere.example/'),
      image: () => new Promise((loaded, failed) => Object.assign(new Image(), { onload: loaded, onerror: failed, src: 'http://elsewhere.example/x.png' })),
      script: () => new Promise((loaded, failed) => document.head.append(Object.assign(document.createElement('script'), { onload: loaded, onerror: failed, src: 'http://elsewhere.example/x.js' }))),
      socket: () => new Promise((loaded, failed) => Object.assign(new WebSocket('ws://elsewhere.example/'), { onopen: loaded, onerror: failed })),
      inline: async () => {
        document.head.append(Object.assign(document.createElement('script'), { textContent: 'window.ran = true' }));
        if (!window.ran) throw new Error('it did not run');
      },
    };
    for (const [name, attempt] of Object.entries(tries)) {
      const well = await page.evaluate(attempt).then(() => true, () => false);
      assert(!well, `${name} went through`);
      assert(faults.some((fault) => fault.includes('Content Security Policy')), `${name} was not seen: ${faults}`);
      faults.length = 0;
    }
  },
};
