import type { Fetcher, FetcherParams } from '@graphiql/toolkit';
import { getOperationAST, type ExecutionResult } from 'graphql';
import { CloseCode, createClient } from 'graphql-ws';
import { ENDPOINT, headers } from './server';

/** The most messages of a subscription that are shown. */
const SHOWN = 100;

/**
 * Sends operations with this token: queries and mutations over HTTP, subscriptions over graphql-transport-ws. `refused` is
 * called when the server does not take the token any more; `close` ends what still comes in.
 */
export function connect(token: string | null, refused: () => void): { fetcher: Fetcher; close: () => void } {
  const url = new URL(ENDPOINT, location.href);
  url.protocol = url.protocol.replace('http', 'ws');
  const socket = createClient({
    url: url.href,
    connectionParams: headers(token),
    // A retry of its own would ask with the old cursor again.
    retryAttempts: 0,
    on: {
      closed: (event) => {
        if (event instanceof CloseEvent && event.code === CloseCode.Forbidden) refused();
      },
    },
  });
  const post = async (params: FetcherParams, more: Record<string, string> = {}): Promise<ExecutionResult> => {
    const sent = new Headers({ 'content-type': 'application/json', ...headers(token) });
    for (const [name, value] of Object.entries(more)) sent.set(name, value);
    const response = await fetch(ENDPOINT, { method: 'POST', headers: sent, body: JSON.stringify(params) });
    // Whoever tries another token by a header of their own is refused that one.
    if (response.status === 401 && !new Headers(more).has('authorization')) refused();
    return response.json();
  };
  const fetcher: Fetcher = (params, { documentAST, headers: more } = {}) => {
    const operation = documentAST && getOperationAST(documentAST, params.operationName);
    return operation?.operation === 'subscription' ? gathered(socket.iterate(params)) : post(params, more);
  };
  return { fetcher, close: () => void socket.dispose() };
}

/** GraphiQL shows the last message of a subscription alone. A timeline is worth more: the messages so far, newest first. */
function gathered(source: AsyncIterableIterator<unknown>): AsyncIterable<ExecutionResult> {
  let messages: unknown[] = [];
  const all: AsyncIterableIterator<unknown> = {
    [Symbol.asyncIterator]: () => all,
    async next() {
      const { done, value } = await source.next().catch(plainly);
      if (done) return { done, value };
      messages = [value, ...messages].slice(0, SHOWN);
      return { done, value: { messages } };
    },
    // Who stops watching stops the subscription at once, also while it waits. A generator would wait with it.
    return: () => source.return!(),
  };
  return all as AsyncIterable<ExecutionResult>;
}

/** A socket fails with an event, of which nothing would be shown. */
function plainly(error: unknown): never {
  if (error instanceof CloseEvent) throw new Error(`The socket was closed: ${error.code} ${error.reason}`.trim());
  throw error instanceof Event ? new Error('The socket to the server could not be opened.') : error;
}
