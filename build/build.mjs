// `npm run build`: bundles the program into dist/. What did not change is not built again.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import vue from '@vitejs/plugin-vue';
import { build as esbuild } from 'esbuild';
import { build as vite } from 'vite';
import { generate } from './gen/index.mjs';
import { fingerprint, filesBelow, withLock, writeAtomic } from './lib/files.mjs';
import { DIST, ROOT } from './lib/paths.mjs';

/**
 * Parts and what they are made from. Programs are bundled one by one; `cli`, `domain` and the workers look for each
 * other beside themselves: these stay in one folder.
 */
const PARTS = {
  core: {
    sources: ['core'],
    run: buildPrograms,
    programs: [
      { entry: 'core/cli/main.ts', output: 'cli.mjs' },
      { entry: 'core/toolstack/process/domain-process.ts', output: 'domain.mjs' },
      { entry: 'core/toolstack/process/vcpu-worker.ts', output: 'vcpu-worker.mjs' },
      { entry: 'core/toolstack/process/translator-worker.ts', output: 'translator-worker.mjs' },
      { entry: 'core/toolstack/process/unpack-worker.ts', output: 'unpack-worker.mjs' },
    ],
  },
  electron: {
    sources: ['core', 'electron'],
    run: buildPrograms,
    programs: [
      { entry: 'electron/main/main.ts', output: 'electron/main.mjs' },
      { entry: 'electron/preload/preload.ts', output: 'electron/preload.cjs' },
    ],
  },
  renderer: {
    sources: ['core/api', 'core/base', 'renderer'],
    run: buildRenderer,
    programs: [{ entry: 'renderer/index.html', output: 'renderer/index.html' }],
  },
};

/** Oldest engines that must run it: Node 20 and Electron 33 (see docs/architecture.md). */
const NODE_TARGET = 'node20';
const CHROME_TARGET = 'chrome130';

/** Bundled CommonJS packages call `require` for Node's own modules; an ES module has none of its own. */
const REQUIRE_BANNER =
  "import { createRequire as domusCreateRequire } from 'node:module'; const require = domusCreateRequire(import.meta.url);";

async function buildProgram({ entry, output }) {
  const commonjs = output.endsWith('.cjs');
  await esbuild({
    entryPoints: [join(ROOT, entry)],
    outfile: join(DIST, output),
    bundle: true,
    platform: 'node',
    target: NODE_TARGET,
    format: commonjs ? 'cjs' : 'esm',
    external: ['electron', 'koffi'],
    sourcemap: 'linked',
    logLevel: 'warning',
    ...(commonjs ? {} : { banner: { js: REQUIRE_BANNER } }),
  });
}

/** No inline script, no inlined asset: the page runs under a strict content security policy. */
async function buildRenderer() {
  await vite({
    configFile: false,
    root: join(ROOT, 'renderer'),
    base: '/',
    logLevel: 'warn',
    plugins: [vue()],
    build: {
      outDir: join(DIST, 'renderer'),
      emptyOutDir: true,
      target: CHROME_TARGET,
      modulePreload: { polyfill: false },
      assetsInlineLimit: 0,
      chunkSizeWarningLimit: 3000,
    },
  });
}

async function buildPrograms(part) {
  for (const program of part.programs) {
    if (existsSync(join(ROOT, program.entry))) await buildProgram(program);
    else process.stderr.write(`build: no ${program.entry} yet, ${program.output} skipped\n`);
  }
}

/** Brings dist/ up to date, or some parts of it. One that fails does not keep the others from being built. */
export async function buildAll({ force = false, parts = Object.keys(PARTS) } = {}) {
  await generate();
  const failures = [];
  await withLock(join(DIST, '.lock-build'), async () => {
    for (const name of parts) {
      try {
        await buildPart(name, PARTS[name], force);
      } catch (error) {
        failures.push(`${name}: ${error.message}`);
      }
    }
  });
  if (failures.length > 0) throw new Error(`the build failed: ${failures.join('; ')}`);
}

async function buildPart(name, part, force) {
  const existing = part.programs.filter(({ entry }) => existsSync(join(ROOT, entry)));
  if (existing.length === 0) {
    process.stderr.write(`build: ${name} skipped, nothing there yet\n`);
    return;
  }
  const sources = filesBelow(
    [...part.sources, 'build/build.mjs', 'package-lock.json'].map((path) => join(ROOT, path)),
    (path) => !/\.test\.ts$|\.md$/.test(path),
  );
  const stamp = join(DIST, `.built-${name}`);
  const mark = fingerprint(sources);
  const current =
    existsSync(stamp) &&
    readFileSync(stamp, 'utf8') === mark &&
    existing.every(({ output }) => existsSync(join(DIST, output)));
  if (current && !force) return;
  const started = Date.now();
  await part.run(part);
  writeAtomic(stamp, mark);
  process.stderr.write(`build: ${name} (${Date.now() - started} ms)\n`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const parts = process.argv.slice(2).filter((argument) => !argument.startsWith('-'));
  try {
    await buildAll({
      force: process.argv.includes('--force'),
      ...(parts.length > 0 ? { parts } : {}),
    });
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}
