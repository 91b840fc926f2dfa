// Answers the documents on stdin with graphql-js. Reads { sdl, documents: [{ query, variables, operationName }] } and prints the
// list of answers, { data, errors }, with the data as text. The resolvers do what those of `schema.rs` do.
import { createRequire } from 'node:module';

const require = createRequire(new URL('../audit/package.json', import.meta.url));
const { buildSchema, graphql } = require('graphql');

// When two siblings fail, graphql-js leaves the second rejection unhandled, which would end the process.
process.on('unhandledRejection', () => {});

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const after = (ms, then) => (ms > 0 ? wait(ms).then(then) : then());
const fail = (ms, what, id) =>
  after(ms, () => {
    throw new Error(`${what} ${id}`);
  });
const page = (nodes, cursor) => {
  const edges = nodes.map((node) => ({ node, cursor: cursor(node) }));
  const cursors = edges.map((edge) => edge.cursor);
  return {
    edges,
    nodes,
    pageInfo: { hasNextPage: true, hasPreviousPage: false, startCursor: cursors[0], endCursor: cursors.at(-1) },
    totalCount: nodes.length,
  };
};

class Thing {
  __typename = 'Thing';
  constructor(id) {
    this.id = id;
  }
  under(name) {
    return new Thing(`${this.id}.${name}`);
  }
  three() {
    return ['1', '2', '3'].map((name) => this.under(name));
  }
  name = () => `name ${this.id}`;
  slow = ({ ms }) => after(ms, () => `slow ${this.id}`);
  fails = ({ ms }) => fail(ms, 'fails', this.id);
  failsHard = ({ ms }) => fail(ms, 'fails hard', this.id);
  failsFor = ({ id }) => (id === this.id ? fail(0, 'fails for', this.id) : 'fine');
  failsHardFor = ({ id, ms }) => (id === this.id ? fail(ms, 'fails hard for', this.id) : 'fine');
  child = ({ ms }) => after(ms, () => this.under('c'));
  childHard = ({ ms }) => after(ms, () => this.under('h'));
  noChild = () => null;
  brokenChild = () => fail(0, 'broken', this.id);
  brokenChildHard = () => fail(0, 'broken hard', this.id);
  rows = ({ ms }) => after(ms, () => this.three());
  rowsMaybe = () => this.three();
  noRows = () => [];
  brokenRows = () => fail(0, 'broken rows', this.id);
  sparse = () => [this.under('1'), null, new Error(`lost ${this.id}.3`), this.under('4')];
  sparseMaybe = () => this.sparse();
  labels = () => [`label ${this.id}`, 'red'];
  shape = () => new Circle(this.under('circle').id);
  shapes = () => [new Circle(this.under('circle').id), new Square(this.under('square').id)];
  shapesSparse = () => this.shapes();
  nodes = () => [this.under('1'), new Circle(this.under('2').id), this.under('3')];
  page = () => page(this.three(), (thing) => thing.id);
  nodePage = () => page([new Circle(this.under('1').id), this.under('2')], () => 'cursor');
  uncountedPage = () => ({ ...page([], null), pageInfo: {}, totalCount: () => { throw new Error('cannot count'); } });
}

class Circle {
  __typename = 'Circle';
  constructor(id) {
    this.id = id;
  }
  name = () => `circle ${this.id}`;
  fails = ({ ms }) => fail(ms, 'circle fails', this.id);
  failsHard = () => fail(0, 'circle fails hard', this.id);
  radius = () => 2;
  center = () => new Thing(`${this.id}.center`);
}

class Square {
  __typename = 'Square';
  constructor(id) {
    this.id = id;
  }
  side = ({ ms }) => after(ms, () => 3);
  failsHard = () => fail(0, 'square fails hard', this.id);
}

const step = (name, context) => ({ name, order: ++context.steps, thing: new Thing(name) });

const root = {
  hello: 'world',
  slow: ({ ms }) => after(ms, () => `slow ${ms}`),
  fails: ({ ms }) => fail(ms, 'fails', 'root'),
  failsHard: ({ ms }) => fail(ms, 'fails hard', 'root'),
  thing: ({ id, ms }) => after(ms, () => new Thing(id)),
  thingHard: ({ id }) => new Thing(id),
  noThing: null,
  brokenThing: () => fail(0, 'broken', 'root'),
  things: () => new Thing('t').three(),
  thingsSparse: () => new Thing('s').sparse(),
  node: () => new Circle('n'),
  shapes: () => new Thing('root').shapes(),
  step: ({ name, ms }, context) => after(ms, () => step(name, context)),
  stepMaybe: ({ name }, context) => step(name, context),
  stepFails: ({ ms }) => fail(ms, 'step', 'fails'),
  stepFailsHard: () => fail(0, 'step', 'fails hard'),
};

let input = '';
for await (const chunk of process.stdin) input += chunk;
const { sdl, documents } = JSON.parse(input);
const schema = buildSchema(sdl);
const answers = [];
for (const { query, variables, operationName } of documents) {
  const contextValue = { steps: 0 };
  const request = { schema, source: query, rootValue: root, contextValue, variableValues: variables, operationName };
  const { data, errors } = await graphql(request);
  if (data === undefined) throw new Error(`refused: ${query}: ${errors[0].message}`);
  answers.push({ data: JSON.stringify(data), errors: errors ?? [] });
}
process.stdout.write(JSON.stringify(answers));
