// The large part of the page. It is loaded when somebody may ask something.

import 'graphiql/setup-workers/vite';
import '@graphiql/react/style.css';
import '@graphiql/plugin-doc-explorer/style.css';
import '@graphiql/plugin-history/style.css';
import '@graphiql/plugin-explorer/style.css';
import 'graphiql/graphiql.css';
import './editor.css';
import { GraphiQL, HISTORY_PLUGIN } from 'graphiql';
import { explorerPlugin } from '@graphiql/plugin-explorer';
import { useEffect, useState } from 'react';
import { examples } from './examples';
import { connect } from './fetcher';
import type { Newest } from './server';

const PLUGINS = [HISTORY_PLUGIN, explorerPlugin({})];

interface Props {
  token: string | null;
  newest: Newest;
  onRefused: () => void;
}

export default function Editor({ token, newest, onRefused }: Props) {
  const [{ fetcher, close }] = useState(() => connect(token, onRefused));
  const [tabs] = useState(() => examples(newest));
  useEffect(() => close, [close]);
  return (
    <GraphiQL
      fetcher={fetcher}
      plugins={PLUGINS}
      defaultTabs={tabs}
      // The examples have their ids there.
      defaultEditorToolsVisibility="variables"
      // A header may hold a token, and what GraphiQL keeps outlives the tab.
      shouldPersistHeaders={false}
      showPersistHeadersSettings={false}
    >
      <GraphiQL.Logo>{null}</GraphiQL.Logo>
    </GraphiQL>
  );
}
