#!/usr/bin/env node
// `npx domus` in a checkout: the built command line, built first if it is not there.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const program = new URL('../../dist/cli.mjs', import.meta.url);
if (!existsSync(fileURLToPath(program))) {
  const { buildAll } = await import('../build.mjs');
  await buildAll({ parts: ['core'] });
}
await import(program.href);
