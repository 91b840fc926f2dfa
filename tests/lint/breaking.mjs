// The gate for breaking changes: `node breaking.mjs RELEASED SCHEMA CHANGELOG`.
//
// Whatever graphql-inspector calls breaking between the two schemas has to be named in the changelog, under "Unreleased", in an
// item that begins with `Breaking:`. Named is a change by its path as graphql-inspector gives it (`Project`, `Project.files`,
// `Project.files.first`, `FileArea.DRIVE`), standing there as a word of its own. So nobody breaks a client unawares, and a reader
// of the changelog can search it for what they use.
//
// The released schema says in its first line of which release it is, and that has to be the newest one in the changelog.
import { CriticalityLevel, diff } from '@graphql-inspector/core';
import { buildSchema } from 'graphql';
import { readFileSync } from 'node:fs';

const [released, schema, changelog] = process.argv.slice(2).map((file) => readFileSync(file, 'utf8'));

/** The changelog by its headings: `## Unreleased`, then a heading for each release, the newest first. */
const [unreleased, latest] = changelog.split(/^## /m).slice(1);
if (!unreleased?.startsWith('Unreleased\n')) fail('The changelog does not begin with "## Unreleased".');
const release = latest?.split(/\s/)[0];
if (!released.startsWith(`# The schema of the last release: ${release}\n`))
  fail(`The last release is ${release}, and the released schema is of another: its first line does not say so.`);

/** The words of all items that begin with `Breaking:`. An item goes on until the next one or an empty line. */
const named = new Set(
  unreleased
    .split(/^(?=[-*] )|\n\s*\n/m)
    .filter((item) => /^[-*] Breaking:/.test(item))
    .flatMap((item) => item.match(/@?\w+(\.\w+)*/g)),
);

const changes = await diff(buildSchema(released), buildSchema(schema));
const silent = changes.filter(({ criticality, path }) => criticality.level === CriticalityLevel.Breaking && !named.has(path));
if (silent.length > 0)
  fail(
    'These changes break clients, and no item under "Unreleased" in the changelog that begins with `Breaking:` names them:',
    ...silent.map(({ path, message }) => `  ${path}: ${message}`),
  );

function fail(...lines) {
  console.error(lines.join('\n'));
  process.exit(1);
}
