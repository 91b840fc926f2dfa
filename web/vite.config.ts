import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { defineConfig, type Plugin } from 'vite';

/** What the server sends compressed is compressed here, once. The page itself is too small to gain. */
const gzip: Plugin = {
  name: 'gzip',
  writeBundle({ dir = '' }) {
    for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || entry.name.endsWith('.html')) continue;
      const path = join(entry.parentPath, entry.name);
      writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }));
      rmSync(path);
    }
  },
};

export default defineConfig({
  base: '/graphiql/',
  logLevel: 'warn',
  plugins: [gzip],
  worker: { format: 'es' },
  build: {
    outDir: 'dist/page',
    target: 'es2022',
    // The polyfill is for browsers older than the target.
    modulePreload: { polyfill: false },
    // What is bundled asks for no more than that its notice goes with it.
    license: { fileName: 'licences.txt' },
    // Monaco is one large file, and it is needed as a whole.
    chunkSizeWarningLimit: 4096,
    rolldownOptions: {
      checks: { pluginTimings: false },
      onLog(level, log, say) {
        // "use client" is for frameworks that render on a server.
        if (log.code !== 'MODULE_LEVEL_DIRECTIVE') say(level, log);
      },
    },
  },
});
