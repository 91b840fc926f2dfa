import { createGraphiQLFetcher, isAsyncIterable, type Fetcher } from '@graphiql/toolkit';
import type { ExecutionResult } from 'graphql';
import { CloseCode, createClient } from 'graphql-ws';
import { ENDPOINT, headers } from './server';

/** The most messages of a subscription that are shown. */
const SHOWN = 100;

/**
 * Sends operations with this token: queries and mutations over HTTP, subscriptions over graphql-transport-ws. `refused` is
 * called when the server does not take the token any more.
 */
export function fetcherFor(token: string | null, refused: () => void): Fetcher {
  const url = new URL(ENDPOINT, location.href);
  url.protocol = url.protocol.replace('http', 'ws');
  const send = createGraphiQLFetcher({
    url: ENDPOINT,
    headers: headers(token),
    // The server sends every answer in one piece.
    enableIncrementalDelivery: false,
    fetch: async (...request: Parameters<typeof fetch>) => {
      const response = await fetch(...request);
      if (response.status === 401) refused();
      return response;
    },
    wsClient: createClient({
      url: url.href,
      connectionParams: headers(token),
      // A retry of its own would ask with the old cursor again.
      retryAttempts: 0,
      on: {
        closed: (event) => {
          if ((event as CloseEvent).code === CloseCode.Forbidden) refused();
        },
      },
    }),
  });
  const sendAndGather = async (...request: Parameters<Fetcher>) => {
    const answer = await send(...request);
    return isAsyncIterable(answer) ? gathered(answer as AsyncIterable<ExecutionResult>) : answer;
  };
  return sendAndGather as Fetcher;
}

/** GraphiQL shows the last message of a subscription alone. A timeline is worth more: the messages so far, newest first. */
function gathered(stream: AsyncIterable<ExecutionResult>): AsyncIterable<ExecutionResult> {
  const source = stream[Symbol.asyncIterator]();
  let messages: ExecutionResult[] = [];
  const all: AsyncIterableIterator<unknown> = {
    [Symbol.asyncIterator]: () => all,
    async next() {
      const { done, value } = await source.next();
      if (done) return { done, value };
      messages = [value, ...messages].slice(0, SHOWN);
      return { done, value: { messages } };
    },
    // Who stops watching stops the subscription at once, also while it waits. A generator would wait with it.
    async return() {
      await source.return?.();
      return { done: true, value: undefined };
    },
  };
  return all as AsyncIterable<ExecutionResult>;
}
