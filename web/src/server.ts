// Who the server takes us for.

export const ENDPOINT = '/graphql';

/** The newest things of the viewer, for the examples; null where there is none. */
export interface Newest {
  project: string | null;
  run: string | null;
}

export type Answer = { as: 'viewer'; name: string; newest: Newest } | { as: 'nobody'; why: string };

const VIEWER = `{
  viewer { name }
  projects(first: 1) { nodes { id runs(first: 1) { nodes { id } } } }
}`;

export const headers = (token: string | null): Record<string, string> =>
  token ? { authorization: `Bearer ${token}` } : {};

/** Asks the server who this token's user is. In development mode no token is needed. */
export async function whoAmI(token: string | null): Promise<Answer> {
  const nobody = (why: string): Answer => ({ as: 'nobody', why });
  // Anything else cannot be sent.
  if (token && !/^[!-~]+$/.test(token)) return nobody(REFUSED);
  let status: number;
  let body;
  try {
    const response = await fetch(ENDPOINT, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers(token) },
      body: JSON.stringify({ query: VIEWER }),
    });
    status = response.status;
    body = await response.json();
  } catch {
    return nobody('The server does not answer. Load the page again when it does.');
  }
  if (status === 401) return nobody(token ? REFUSED : '');
  if (body.errors) return nobody(`The server answers: ${body.errors[0].message}`);
  const project = body.data.projects.nodes[0];
  const run = project?.runs.nodes[0];
  return { as: 'viewer', name: body.data.viewer.name, newest: { project: project?.id ?? null, run: run?.id ?? null } };
}

/** What to say when a token is refused, at first or later. */
export const REFUSED = 'The server does not take this token: it is mistyped, was revoked, or has expired.';
