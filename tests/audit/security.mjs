// Security and robustness probes against any GraphQL endpoint (bounded: a few MB, a few hundred requests).
// URL=http://127.0.0.1:4188/graphql node security.mjs
// Exit 0 only when nothing is OPEN but what EXPLAINED names, and no probe asked for a field that the schema has not.
// HDRS='{"GraphQL-Require-Preflight":"1"}' adds headers to multipart requests. ERR_FIELD, PANIC_FIELD, SELF_FIELD name schema fields.
import { getIntrospectionQuery } from 'graphql';
const url = process.env.URL ?? 'http://127.0.0.1:4188/graphql';
const extra = JSON.parse(process.env.HDRS ?? '{}');
const CONN = process.env.CONN_FIELD ?? 'projects';     // Relay connection of type T
const SELF = process.env.SELF_FIELD ?? 'parent';       // field T -> T
const ERR = process.env.ERR_FIELD ?? 'fails';
const PANIC = process.env.PANIC_FIELD ?? 'panics';
const MUT = process.env.MUTATION ?? 'mutation { createProject(input: {name: "x"}) { clientMutationId } }';
const UPLOAD = process.env.UPLOAD ?? 'mutation($f: Upload!) { uploadFile(file: $f) { size filename contentType } }';
const UPLOADS = process.env.UPLOADS ?? 'mutation($f: [Upload!]!) { uploadFiles(files: $f) { size filename } }';
// Probes that may stay open, each with its reason. One that is closed again must leave this list.
const EXPLAINED = {};
// Probes that ask for what does not exist, because that is their point. Anywhere else an unknown field tests nothing.
const UNKNOWN_ON_PURPOSE = new Set(['field suggestions ("Did you mean")']);
// Probes that a fault of ours answers. Anywhere else one means that the server is hurt, not that it is safe.
const FAULT_ON_PURPOSE = new Set(['internal error text masked', 'resolver panic becomes a GraphQL error']);
let last = '';
const rows = [];
async function http(body, { method = 'POST', headers = { 'content-type': 'application/json', accept: 'application/json' }, u = url, timeout = 20000 } = {}) {
  const t = performance.now();
  try {
    const r = await fetch(u, { method, headers, body, signal: AbortSignal.timeout(timeout), ...(body instanceof ReadableStream ? { duplex: 'half' } : {}) });
    const text = await r.text(); last = text; let json = null; try { json = JSON.parse(text); } catch {}
    return { status: r.status, text, json, ms: Math.round(performance.now() - t), ct: r.headers.get('content-type'), size: text.length, headers: r.headers };
  } catch (e) { last = ''; return { status: 0, text: String(e.cause ?? e), json: null, ms: Math.round(performance.now() - t), size: 0, headers: new Headers() }; }
}
const q = (query, variables, o) => http(JSON.stringify({ query, variables }), o);
const ok = (r) => r.status === 200 && r.json && !r.json.errors && (Array.isArray(r.json) ? !r.json.some((x) => x.errors) : r.json.data != null);
const brief = (r) => `${r.status} ${r.ms}ms ${r.size}B ${r.text.slice(0, 150).replace(/\s+/g, ' ')}`;
function row(id, safe, got) {
  const missing = /Unknown (field|argument|type)|Cannot query field/i.test(last) && !UNKNOWN_ON_PURPOSE.has(id);
  if (last.includes('"INTERNAL"') && !FAULT_ON_PURPOSE.has(id)) safe = false;
  rows.push({ id, safe, got, missing });
  console.log(`${missing ? 'UNASKED' : safe === null ? 'INFO   ' : safe ? 'SAFE   ' : 'OPEN   '} ${id}
        ${got}`);
}
let r;
// --- introspection & disclosure
r = await q(getIntrospectionQuery({ inputValueDeprecation: true, specifiedByUrl: true, directiveIsRepeatable: true, schemaDescription: true, oneOf: true })); row('introspection answered (full graphql-js query)', null, ok(r) ? `yes, ${r.size} B` : brief(r));
r = await q(`{ ${CONN}z }`); row('field suggestions ("Did you mean")', !/did you mean/i.test(r.text), brief(r));
r = await q(`{ ${ERR} }`); row('internal error text masked', !/shadow|secret/i.test(r.text), brief(r));
r = await q(`{ ${PANIC} }`); row('resolver panic becomes a GraphQL error', r.status !== 0 && !!r.json?.errors && !/resolver panic/.test(r.text), brief(r));
r = await q('{ __typename }'); row('server alive after panic', ok(r), brief(r));
r = await http(null, { method: 'GET', headers: { accept: 'text/html' } }); row('GraphiQL/HTML on the API endpoint (GET, Accept: text/html)', !/html/i.test(r.ct ?? ''), brief(r));
row('tracing/extensions leaked', !(await q('{ __typename }')).json?.extensions, '');
// --- CSRF
r = await http(null, { method: 'GET', u: `${url}?query=${encodeURIComponent(MUT)}`, headers: {} }); row('mutation over GET', !ok(r), brief(r));
r = await http(null, { method: 'GET', u: `${url}?query=%7B__typename%7D`, headers: {} }); row('query over GET with no custom header (CSRF-safe only if reads have no side effects and no CORS)', null, brief(r));
r = await http(JSON.stringify({ query: MUT }), { headers: { 'content-type': 'text/plain' } }); row('POST text/plain JSON body runs (simple CORS request: CSRF)', !ok(r), brief(r));
r = await http('query=' + encodeURIComponent(MUT), { headers: { 'content-type': 'application/x-www-form-urlencoded' } }); row('POST form-urlencoded runs (CSRF)', !ok(r), brief(r));
r = await http(JSON.stringify({ query: MUT }), { headers: { 'content-type': 'application/x-www-form-urlencoded' } }); row('JSON under form content-type runs (CSRF)', !ok(r), brief(r));
function mp(ops, map, files, { h = {}, partHeaders = {} } = {}) {
  const b = 'x-bound-1'; let s = [];
  const part = (name, val, hs = '') => s.push(Buffer.from(`--${b}\r\nContent-Disposition: form-data; name="${name}"${hs.includes('filename') ? hs.split('\n')[0] : ''}\r\n${partHeaders[name] ? `Content-Type: ${partHeaders[name]}\r\n` : ''}\r\n`), Buffer.from(val), Buffer.from('\r\n'));
  part('operations', ops); part('map', map);
  for (const [k, fn, val] of files) part(k, val, `; filename="${fn}"`);
  s.push(Buffer.from(`--${b}--\r\n`));
  return http(Buffer.concat(s), { headers: { 'content-type': `multipart/form-data; boundary=${b}`, accept: 'application/json', ...h } });
}
const ops1 = JSON.stringify({ query: UPLOAD, variables: { f: null } });
r = await mp(ops1, '{"0":["variables.f"]}', [['0', 'a.txt', 'hello']]); row('multipart upload with no preflight header runs (CSRF)', !ok(r), brief(r));
r = await mp(ops1, '{"0":["variables.f"]}', [['0', 'a.txt', 'hello']], { h: extra }); row('multipart upload (with HDRS)', null, brief(r));
r = await mp(ops1, '{"0":["variables.f"]}', [['0', '../../etc/passwd', 'hello']], { h: extra }); row('upload filename is given to the resolver as sent (traversal: resolver must clean)', !/\.\.\//.test(r.text), brief(r));
r = await mp(ops1, '{"0":["variables.f"]}', [['0', 'a.txt', 'hello']], { h: extra, partHeaders: { operations: 'multipart/mixed' } }); row('operations part with Content-Type multipart/* does not panic the server', r.status !== 0 && r.status < 500, brief(r));
r = await mp(ops1, '{}', [['0', 'a.txt', 'hello']], { h: extra }); row('file not in map', null, brief(r));
r = await mp(ops1, '{"0":["variables.f"]}', [], { h: extra }); row('map names a missing file -> 4xx', r.status >= 400 && r.status < 500, brief(r));
r = await mp(ops1, '{"0":["variables.nope.deep.0"]}', [['0', 'a.txt', 'x']], { h: extra }); row('map path that does not exist -> error, not crash', r.status !== 0, brief(r));
r = await mp(JSON.stringify({ query: UPLOADS, variables: { f: [...Array(50)].map(() => null) } }), JSON.stringify(Object.fromEntries([...Array(50)].map((_, i) => [i, [`variables.f.${i}`]]))), [...Array(50)].map((_, i) => [String(i), `f${i}`, 'x']), { h: extra }); row('50 files in one request refused', !ok(r), brief(r));
r = await mp(JSON.stringify({ query: UPLOADS, variables: { f: [...Array(500)].map(() => null) } }), JSON.stringify({ 0: [...Array(500)].map((_, i) => `variables.f.${i}`) }), [['0', 'one', 'x'.repeat(1000)]], { h: extra }); row('one file mapped to 500 variables refused (each mapping dups a descriptor)', !ok(r), brief(r));
r = await mp(ops1, '{"0":["variables.f"]}', [['0', 'big.bin', Buffer.alloc(8 << 20)]], { h: extra }); row('8 MiB file over a 4 MiB limit -> 413', r.status === 413, brief(r));
// --- size & DoS
r = await http(JSON.stringify({ query: '{ __typename }', variables: { pad: 'x'.repeat(32 << 20) } })); row('32 MiB JSON body refused (413)', r.status === 413 || r.status === 0, brief(r));
r = await q('{ ' + '__typename '.repeat(100000) + '}'); row('1.1 MB document of 100k fields refused', !ok(r), brief(r));
r = await q(`{ ${[...Array(1000)].map((_, i) => `a${i}: __typename`).join(' ')} }`); row('1000 aliases refused', !ok(r), brief(r));
r = await q(`{ ${[...Array(101)].map((_, i) => `a${i}: __typename`).join(' ')} }`); row('101 aliases refused (graphql-cop)', !ok(r), brief(r));
r = await q('{ ' + '__typename '.repeat(500) + '}'); row('500 duplicated fields (graphql-cop)', !ok(r), brief(r));
r = await q(`{ __typename ${'@aa'.repeat(10)} }`); row('10 unknown directives: one error, not 10', (r.json?.errors?.length ?? 0) < 10, `${r.json?.errors?.length} errors; ${brief(r)}`);
r = await q(`{ __typename ${'@include(if:true)'.repeat(500)} }`); row('500 x @include on one field refused', !ok(r), brief(r));
r = await q(`{ __typename ${'@skip(if:false)@skip(if:false)'} }`); row('repeated non-repeatable directive is a validation error', !ok(r), brief(r));
r = await http(JSON.stringify([...Array(10)].map(() => ({ query: '{ __typename }' })))); row('array batching (10) refused', !ok(r), brief(r));
r = await q(`{ ${CONN}(first: 1) { nodes { ${`${SELF} { `.repeat(20)} id ${'}'.repeat(20)} } } }`); row('depth 22 refused', !ok(r), brief(r));
r = await q(`{ ${CONN}(first: 1) { nodes { ${`${SELF} { `.repeat(200)} id ${'}'.repeat(200)} } } }`); row('depth 202 refused', !ok(r), brief(r));
r = await q('{' + 'a{'.repeat(5000) + 'b' + '}'.repeat(5000) + '}'); row('5000-deep braces: no crash', r.status !== 0, brief(r));
r = await q('query($v: [Int]) { __typename }', { v: JSON.parse('['.repeat(120) + ']'.repeat(120)) }); row('120-deep JSON variables: no crash', r.status !== 0, brief(r));
r = await http(`{"query":"{__typename}","variables":{"v":${'['.repeat(100000)}${']'.repeat(100000)}}}`); row('100k-deep JSON: no crash', r.status !== 0, brief(r));
r = await q(`{ f(v: ${'['.repeat(5000)}${']'.repeat(5000)}) }`); row('5000-deep list literal: no crash', r.status !== 0, brief(r));
r = await q(`{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }`); row('circular fragments refused', !ok(r) && r.status !== 0, brief(r));
r = await q(`{ __schema { types { fields { type { fields { type { fields { type { fields { type { name } } } } } } } } } } }`); row('circular introspection (graphql-cop) refused', !ok(r), brief(r));
r = await q(`{ ${CONN}(first: 100) { nodes { runs(first: 100) { nodes { id } } } } }`); row('100 x 100 connection product refused (complexity)', !ok(r), brief(r));
r = await q(`{ ${CONN} { nodes { id } } }`); row('connection without first/last refused or capped', r.json?.data?.[CONN]?.nodes ? r.json.data[CONN].nodes.length <= 50 : !ok(r), `${r.json?.data?.[CONN]?.nodes?.length} nodes`);
r = await q(`{ ${CONN}(first: 1000000) { nodes { id } } }`); row('first: 1000000 refused', !!r.json?.errors, brief(r));
r = await q(`{ ${CONN}(first: -1) { nodes { id } } }`); row('first: -1 refused', !!r.json?.errors, brief(r));
r = await q('query A { __typename } query A { __typename }'); row('duplicate operation names refused', !!r.json?.errors, brief(r));
r = await http(null, { method: 'GET', u: `${url}?query=${encodeURIComponent('query A{a:__typename} query B{b:__typename}')}&operationName=B`, headers: { accept: 'application/json' } }); row('GET operationName works', !!r.json?.data?.b, brief(r));
r = await http(null, { method: 'GET', u: `${url}?query=${encodeURIComponent('subscription { counter(to:1) { n } }')}`, headers: { accept: 'application/json' } }); row('subscription over plain GET is refused', !ok(r), brief(r));
r = await http(null, { method: 'PUT' }); row('PUT -> 405 with Allow', r.status === 405 && !!r.headers.get('allow'), `${r.status} allow=${r.headers.get('allow')}`);
r = await http(JSON.stringify({ query: '{ __typename }' }), { headers: { 'content-type': 'application/json', accept: 'text/html' } }); row('Accept: text/html -> 406', r.status === 406, brief(r));
r = await q('{ __typename }'); row('server alive at the end', ok(r), brief(r));
r = await q(`{ ...F0 } ` + [...Array(24)].map((_, i) => `fragment F${i} on Query { ...F${i + 1} ...F${i + 1} }`).join(' ') + ' fragment F24 on Query { __typename }', undefined, { timeout: 15000 }); row('exponential fragments (2^24) refused or fast', r.status !== 0 && r.ms < 3000, brief(r));
r = await q('{ __typename }'); row('server answers after the fragment bomb', ok(r) && r.ms < 1000, brief(r));
const open = rows.filter((x) => x.safe === false && !x.missing);
const unexplained = open.filter((x) => !EXPLAINED[x.id]);
const stale = Object.keys(EXPLAINED).filter((id) => !open.some((x) => x.id === id));
const unasked = rows.filter((x) => x.missing);
console.log(`\n${url}: ${rows.filter((x) => x.safe === true).length} safe, ${open.length} open (${unexplained.length} unexplained), ${rows.filter((x) => x.safe === null).length} info, ${unasked.length} unasked`);
for (const o of open) console.log(`  OPEN ${o.id}: ${EXPLAINED[o.id] ?? 'NOT EXPLAINED'}`);
for (const o of unasked) console.log(`  UNASKED (a field that does not exist) ${o.id}`);
for (const id of stale) console.log(`  STALE explanation ${id}`);
process.exit(unexplained.length || stale.length || unasked.length ? 1 : 0);
