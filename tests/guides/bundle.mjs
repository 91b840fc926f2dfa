// Makes one program of a Relay project's entry, as its bundler does: `node bundle.mjs ENTRY OUTPUT`.
import { transformFileAsync } from '@babel/core';
import { build } from 'esbuild';

const [entry, outfile] = process.argv.slice(2);

const relay = {
  name: 'relay',
  setup({ onLoad }) {
    onLoad({ filter: /\/src\/[^/]+\.jsx?$/ }, async ({ path }) => {
      const { code } = await transformFileAsync(path, {
        plugins: [[import.meta.resolve('babel-plugin-relay').replace('file://', ''), { eagerEsModules: true }]],
        parserOpts: { plugins: ['jsx'] },
        configFile: false,
      });
      return { contents: code, loader: 'jsx' };
    });
  },
};

await build({ entryPoints: [entry], outfile, bundle: true, format: 'esm', platform: 'node', jsx: 'automatic', plugins: [relay] });
