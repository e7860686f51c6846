import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';

/** A directory of its own for a test file; `close` removes it. */
export function temporaryDirectory(): { path: string; close(): void } {
  const path = mkdtempSync(join(tmpdir(), 'domus-test-'));
  return { path, close: () => rmSync(path, { recursive: true, force: true }) };
}

/** Bundles a TypeScript program of the tests so that a plain Node process can run it; packages in `external` stay outside. */
export async function bundleProgram(
  source: string,
  directory: string,
  external: string[] = [],
): Promise<string> {
  const outfile = join(directory, `${source.replace(/[^a-z-]/g, '-')}.mjs`);
  await build({
    entryPoints: [resolve(import.meta.dirname, source)],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    external,
    logLevel: 'error',
  });
  return outfile;
}
