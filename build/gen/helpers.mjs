// The CPU engine's helpers: AssemblyScript to WebAssembly, as text that TypeScript imports.
import asc from 'assemblyscript/asc';
import { join } from 'node:path';
import { ROOT } from '../lib/paths.mjs';

/** The one place for compiler flags; memory is the domain's own, shared with its other modules. */
const ASC_FLAGS = [
  '-O3',
  '--runtime', 'stub',
  '--importMemory',
  '--sharedMemory',
  '--initialMemory', '64',
  '--maximumMemory', '65536',
  // HELPERS_DATA_BASE of core/cpu/layout.ts.
  '--memoryBase', '2097152',
  // Pointers are 32 bits here for good; v128 values cross to other wasm modules only.
  '--disableWarning', '201',
  '--disableWarning', '112',
  '--noExportMemory',
  '--enable', 'simd,threads,bulk-memory,sign-extension,mutable-globals,nontrapping-f2i',
]; // prettier-ignore

const ENTRY = 'core/cpu/helpers/index.ts';

/** @type {import('./index.mjs').Generator} */
export const helpers = {
  output: 'core/cpu/helpers.gen.ts',
  entry: ENTRY,
  sources: ['core/cpu/helpers', 'core/cpu/layout.ts', 'package.json'],
  async run() {
    let binary;
    const { error, stderr } = await asc.main(
      [ENTRY, '--baseDir', ROOT, '--outFile', 'helpers.wasm', ...ASC_FLAGS],
      {
        writeFile: (name, content) => {
          if (name === 'helpers.wasm') binary = content;
        },
      },
    );
    const messages = stderr.toString();
    if (messages !== '') process.stderr.write(messages);
    if (error !== null || binary === undefined) {
      throw new Error(`${join(ENTRY)} does not compile: ${error?.message ?? 'no output'}`);
    }
    return `export const HELPERS_WASM_BASE64 =\n  '${Buffer.from(binary).toString('base64')}';\n`;
  },
};
