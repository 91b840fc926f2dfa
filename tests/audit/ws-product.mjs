// The real graphql-ws client against the product: runs are started, followed and followed again.
// WS_URL, URL, TOKEN, PROJECT: the id of a project of the token's user.
import WebSocket from 'ws';
import { createClient, CloseCode } from 'graphql-ws';
const { WS_URL, URL, TOKEN, PROJECT } = process.env;
const client = (options = {}) =>
  createClient({ url: WS_URL, webSocketImpl: WebSocket, retryAttempts: 0, connectionParams: { authorization: `Bearer ${TOKEN}` }, ...options });
const post = async (query, variables) => {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${TOKEN}` };
  const response = await fetch(URL, { method: 'POST', headers, body: JSON.stringify({ query, variables }) });
  return (await response.json()).data;
};
const FOLLOW = `subscription($run: ID!, $after: String, $types: [RunEventType!]) { runEvents(runId: $run, after: $after, types: $types) {
  endCursor events { sequence type at ... on AgentMessage { text final } ... on RunCompleted { __typename } } } }`;
const START = 'mutation($input: StartRunInput!) { startRun(input: $input) { run { id } userErrors { message } } }';
const start = async () => (await post(START, { input: { projectId: PROJECT, prompt: 'What interest is due?' } })).startRun.run.id;
const follow = async (c, variables) => {
  const got = [];
  for await (const result of c.iterate({ query: FOLLOW, variables })) {
    if (result.errors) throw result.errors;
    got.push(...result.data.runEvents.events);
  }
  return got;
};
const failure = async (promise) => { try { await promise; return null; } catch (error) { return error; } };
const assert = (held, what) => { if (!held) throw new Error(typeof what === 'string' ? what : JSON.stringify(what)); };
const dense = (events, from = 1) => events.every((event, index) => event.sequence === from + index);

const checks = {
  'a live run is followed to its end': async () => {
    const c = client(); const events = await follow(c, { run: await start() }); await c.dispose();
    assert(dense(events) && events.at(-1).type === 'RUN_COMPLETED', events);
  },
  'an ended run is told again, the same': async () => {
    const c = client(); const run = await start();
    const live = await follow(c, { run }); const again = await follow(c, { run }); await c.dispose();
    assert(JSON.stringify(live) === JSON.stringify(again), { live, again });
  },
  'a cursor goes on where the last one stopped': async () => {
    const c = client(); const run = await start(); const all = await follow(c, { run });
    for (let after = 0; after < all.length; after++) {
      const rest = await follow(c, { run, after: String(after) });
      assert(JSON.stringify(rest) === JSON.stringify(all.slice(after)), { after, rest });
    }
    assert((await follow(c, { run, after: String(all.length) })).length === 0, 'nothing after the last');
    await c.dispose();
  },
  'types hide events, but never the last': async () => {
    const c = client(); const events = await follow(c, { run: await start(), types: ['RUN_STARTED'] }); await c.dispose();
    assert(events.map((event) => event.type).join() === 'RUN_STARTED,RUN_COMPLETED', events);
  },
  'a cursor beyond the end, a bad cursor, an absent run: errors with codes': async () => {
    const c = client(); const run = await start(); await follow(c, { run });
    for (const [variables, code] of [
      [{ run, after: '999999' }, 'BAD_USER_INPUT'], [{ run, after: 'x' }, 'BAD_USER_INPUT'], [{ run, after: '-1' }, 'BAD_USER_INPUT'],
      [{ run: 'run_01h455vb4pex5vsknk084sn02q' }, 'NOT_FOUND'], [{ run: PROJECT }, 'BAD_USER_INPUT'], [{ run, types: ['NOTHING'] }, 'BAD_USER_INPUT'],
    ]) {
      const errors = await failure(follow(c, variables));
      assert(Array.isArray(errors) && errors[0].extensions.code === code, { variables, errors });
    }
    await c.dispose();
  },
  'a document that is not valid is refused, the socket stays': async () => {
    const c = client(); const errors = await failure(follow(c, {}));
    assert(Array.isArray(errors), errors);
    assert((await follow(c, { run: await start() })).length > 3, 'the socket goes on'); await c.dispose();
  },
  'queries and mutations go over the socket, too': async () => {
    const c = client(); const got = [];
    for await (const result of c.iterate({ query: '{ viewer { name } }' })) got.push(result);
    for await (const result of c.iterate({ query: START, variables: { input: { projectId: PROJECT, prompt: '' } } })) got.push(result);
    await c.dispose();
    assert(got.length === 2 && got[0].data.viewer.name && got[1].data.startRun.userErrors.length === 1, got);
  },
  'thirty followers on one socket see the same': async () => {
    const c = client(); const run = await start();
    const all = await Promise.all([...Array(30)].map(() => follow(c, { run }))); await c.dispose();
    assert(all.every((events) => JSON.stringify(events) === JSON.stringify(all[0])) && dense(all[0]), 'they differ');
  },
  'a follower that leaves lets the socket go': async () => {
    let code = null; const c = client({ on: { closed: (event) => (code = event.code) }, lazyCloseTimeout: 0 });
    const iterator = c.iterate({ query: FOLLOW, variables: { run: await start() } });
    await iterator.next(); await iterator.return();
    for (let tries = 0; code === null && tries < 50; tries++) await new Promise((go) => setTimeout(go, 20));
    assert(code === 1000, `closed with ${code}`); await c.dispose();
  },
  'a token that is not known is refused with 4403': async () => {
    for (const connectionParams of [{ authorization: 'Bearer wr_nobody' }, {}, { token: 'x' }]) {
      const c = client({ connectionParams }); const event = await failure(follow(c, { run: PROJECT })); await c.dispose();
      assert(event?.code === CloseCode.Forbidden, { connectionParams, code: event?.code });
    }
  },
  'a lost connection goes on from the cursor': async () => {
    // The client connects again by itself; the application gives the cursor that it has.
    const c = client(); const run = await start(); const got = []; let cursor = '0';
    while (got.at(-1)?.type !== 'RUN_COMPLETED') {
      const iterator = c.iterate({ query: FOLLOW, variables: { run, after: cursor } });
      const { value, done } = await iterator.next();
      if (done) break;
      got.push(...value.data.runEvents.events); cursor = value.data.runEvents.endCursor;
      c.terminate(); await failure(iterator.next());
    }
    await c.dispose(); assert(dense(got) && got.at(-1).type === 'RUN_COMPLETED', got);
  },
};
let bad = 0;
for (const [name, check] of Object.entries(checks)) {
  try { await check(); console.log(`PASS  ${name}`); } catch (error) { bad++; console.log(`FAIL  ${name}\n      ${error?.message ?? JSON.stringify(error)}`); }
}
console.log(`${Object.keys(checks).length - bad}/${Object.keys(checks).length} pass`);
process.exit(bad ? 1 : 0);
