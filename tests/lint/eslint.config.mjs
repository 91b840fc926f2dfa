// What graphql-eslint asks of a schema: everything it recommends, and what Relay needs. Each exception says why.
import graphql from '@graphql-eslint/eslint-plugin';

const { 'flat/schema-recommended': recommended, 'flat/schema-relay': relay } = graphql.configs;

export default [
  {
    files: ['**/*.graphql'],
    languageOptions: { parser: graphql.parser, parserOptions: { graphQLConfig: { schema: './schema.graphql' } } },
    plugins: { '@graphql-eslint': graphql },
    rules: {
      ...recommended.rules,
      ...relay.rules,
      // Whatever can be fetched again has an `id`. These have none, because they are parts of what they were asked from and
      // are told apart by nobody: a new value type has to be named here, which is the moment to ask whether it is one.
      '@graphql-eslint/strict-id-in-types': [
        'error',
        {
          exceptions: {
            // A page and its items, what a mutation answers, what a caller can mend, what a watcher is told.
            suffixes: ['Connection', 'Edge', 'Payload', 'Error', 'Changed'],
            types: [
              'ActivitySnapshot', // some things as they are; each of them has an `id`
              'AdminSession', // `sessionId` says of which session an admin is told; it leads no further
              'AreaUsage', // figures
              'Audit', // figures
              'AuditGroup', // figures, known by their `key`
              'DeleteResult', // of its deletion, known by its path
              'Directory', // implied by the paths of its files
              'DurationStats', // figures
              'IntegrityFinding', // a line of its check
              'Lease', // known by its `token`
              'ModelInfo', // known by its name
              'ModelUsage', // a figure of its run
              'PageInfo', // of its connection
              'PinnedFile', // a line in the input of its run; `version` names the content, not the line
              'ProjectUsage', // figures of its project
              'ProjectDeleted', // `projectId` is the id of what is no more
              'RunEventBatch', // some events as they came; each of them has an `id`
              'RunFailure', // of its run
              'RunIntegrity', // of its run, as it is found each time
              'RunHistory', // of its project
              'ServerInfo', // there is one
              'ServerLimits', // there is one
              'TokenUsage', // figures
              'UsageReport', // figures
              'UploadResult', // of its upload; the file in it has an `id`
            ],
          },
        },
      ],
      // Off are two parts. That nothing but edges may ever be listed: connections give `nodes` besides `edges`, for clients that
      // need no cursors, and short lists that have an end (`labels`, `userErrors`, `models`) need no pages. And that whatever
      // has an edge is a `Node`: what admins are told of leads no further; a story over the schema asks for all the others.
      '@graphql-eslint/relay-edge-types': ['error', { listTypeCanWrapOnlyEdgeType: false, shouldImplementNode: false }],
    },
  },
];
