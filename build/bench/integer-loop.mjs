// The row "integer-loop": millions of instructions a second of the processor alone (test/bench/integer-loop.ts).
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { build } from 'esbuild';
import { generate } from '../gen/index.mjs';
import { DIST, ROOT } from '../lib/paths.mjs';

/** Bundles and runs it; `{ tier, mips }` for every tier. */
export async function integerLoop() {
  await generate();
  const program = join(DIST, 'bench/integer-loop.mjs');
  await build({
    entryPoints: [join(ROOT, 'test/bench/integer-loop.ts')],
    outfile: program,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    external: ['koffi'],
    banner: {
      js: "import { createRequire as domusCreateRequire } from 'node:module'; const require = domusCreateRequire(import.meta.url);",
    },
    logLevel: 'warning',
  });
  const { status, stdout, stderr } = spawnSync(process.execPath, [program], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the integer loop failed: ${stderr}`);
  return JSON.parse(stdout);
}
