// The CPU engine's interpreters for vcpu 0: WebAssembly made by core/cpu/interp, as text that TypeScript imports.
import { build as esbuild } from 'esbuild';
import { join } from 'node:path';
import { ROOT } from '../lib/paths.mjs';

const FOLDER = 'core/cpu/interp';
const ENTRY = `${FOLDER}/interpreter.ts`;

/** What the text is made with, loaded from its TypeScript sources. */
async function loadGenerator() {
  const contents =
    "export { generateInterpreter } from './interpreter'; export { recordOf } from './handler-record';";
  const { outputFiles } = await esbuild({
    stdin: { contents, resolveDir: join(ROOT, FOLDER), loader: 'ts' },
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    logLevel: 'warning',
  });
  const code = Buffer.from(outputFiles[0].contents).toString('base64');
  return import(`data:text/javascript;base64,${code}`);
}

/** @type {import('./index.mjs').Generator} */
export const interpreters = {
  output: 'core/cpu/interpreters.gen.ts',
  entry: ENTRY,
  sources: [
    'core/base',
    'core/cpu/decode',
    FOLDER,
    'core/cpu/layout.ts',
    'core/cpu/ops',
    'core/cpu/tier',
    'core/wasm',
    'package.json',
  ],
  async run() {
    const { generateInterpreter, recordOf } = await loadGenerator();
    const textOf = (long) => {
      const { bytes, handlers } = generateInterpreter(long, 0);
      const records = [...handlers].map(([key, handler]) => [key, recordOf(handler)]);
      return {
        wasmBase64: Buffer.from(bytes).toString('base64'),
        handlersJson: JSON.stringify(records),
      };
    };
    const both = { long: textOf(true), legacy: textOf(false) };
    return `export const INTERPRETERS = ${JSON.stringify(both)};\n`;
  },
};
