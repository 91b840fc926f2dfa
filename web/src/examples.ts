import type { Newest } from './server';

const json = (variables: unknown): string => JSON.stringify(variables, null, 2);

/** The tabs that a newcomer finds: the story of a run, about the newest things there are. */
export const examples = (newest: Newest) => {
  const project = newest.project ?? 'the id that createProject answered';
  const run = newest.run ?? 'the id that startRun answered';
  return [
    {
      query: `# What is there: projects, each with its newest runs.
query Projects {
  viewer { name }
  projects(first: 10) {
    nodes {
      id
      name
      runs(first: 3) { nodes { id number status prompt } }
    }
  }
}
`,
    },
    {
      query: `# Runs live in a project.
mutation CreateProject($input: CreateProjectInput!) {
  createProject(input: $input) {
    project { id name }
    userErrors { code message path }
  }
}
`,
      variables: json({ input: { name: 'Supplier dispute' } }),
    },
    {
      query: `# Queues a run and answers at once. Give its id to the next tab and follow it.
mutation StartRun($input: StartRunInput!) {
  startRun(input: $input) {
    run { id number status }
    userErrors { code message path }
  }
}
`,
      variables: json({ input: { projectId: project, prompt: 'What happens when a payment is late?', ifBusy: 'ENQUEUE' } }),
    },
    {
      query: `# A run's events, live: those that there are, then each as it comes, to the last.
# The answer shows the newest message first. To go on from one, give its endCursor as "after".
subscription FollowRun($run: ID!, $after: String) {
  runEvents(runId: $run, after: $after) {
    endCursor
    run { status }
    events {
      sequence
      at
      type
      ... on AgentMessage { text }
      ... on ToolCalled { tool input }
      ... on ToolReturned { tool isError }
      ... on FileRead { path }
      ... on ArtifactCreated { name }
      ... on RunFailed { failure { code message } }
    }
  }
}
`,
      variables: json({ run, after: '0' }),
    },
    {
      query: `# The same events from the archive, a page at a time: give endCursor as "after" for the next.
query ReplayRun($run: ID!, $after: String) {
  run(id: $run) {
    number
    status
    prompt
    answer
    events(first: 10, after: $after) {
      totalCount
      pageInfo { hasNextPage endCursor }
      nodes { sequence at type }
    }
    artifacts { nodes { name size text(maxBytes: 500) downloadUrl } }
  }
}
`,
      variables: json({ run, after: null }),
    },
    {
      query: `# What a project's ended runs came to, and the runs, newest first: give endCursor as "after" for the next page.
query ProjectHistory($project: ID!, $after: String) {
  project(id: $project) {
    history {
      audit { runCount completed failed cancelled inputTokens outputTokens durationMs { p50 p95 } }
      runs(first: 10, after: $after) {
        pageInfo { hasNextPage endCursor }
        nodes { id number status prompt createdAt durationMs rerunOf { number } }
      }
    }
  }
}
`,
      variables: json({ project, after: null }),
    },
  ];
};
