// `npm run package`: a runnable, unpacked build of the app in dist/package/, from the Electron that is here.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { flipFuses, FuseV1Options, FuseVersion } from '@electron/fuses';
import { build as electronBuilder, Platform } from 'electron-builder';
import { buildAll } from './build.mjs';
import { electronRuntime } from './electron-runtime.mjs';
import { SetupError } from './lib/apt.mjs';
import { withLock } from './lib/files.mjs';
import { DIST, ROOT } from './lib/paths.mjs';

/**
 * What the packaged binary may do: nothing but run this app. Domain processes are Electron's own utility processes,
 * so it never has to run as Node.
 */
const FUSES = {
  version: FuseVersion.V1,
  [FuseV1Options.RunAsNode]: false,
  [FuseV1Options.EnableCookieEncryption]: true,
  [FuseV1Options.EnableNodeOptionsEnvironmentVariable]: false,
  [FuseV1Options.EnableNodeCliInspectArguments]: false,
  [FuseV1Options.OnlyLoadAppFromAsar]: true,
  [FuseV1Options.GrantFileProtocolExtraPrivileges]: false,
};

/** A runtime from npm comes with our loader as its app: it would be found before the real one. */
const LOADER = 'resources/app';

async function afterPack({ appOutDir, packager }) {
  const executable = join(appOutDir, packager.executableName);
  rmSync(join(appOutDir, LOADER), { recursive: true, force: true });
  await flipFuses(executable, FUSES);
}

/** Folder and executable of the packaged app. */
export const PACKAGE_FOLDER = join(DIST, 'package/linux-unpacked');
export const PACKAGE_EXECUTABLE = join(PACKAGE_FOLDER, 'domus-app');

export async function packageApp() {
  await buildAll();
  const runtime = await electronRuntime();
  const config = JSON.parse(
    readFileSync(new URL('electron-builder.json', import.meta.url), 'utf8'),
  );
  // Hard links would let the fuses be set in the cached runtime as well.
  process.env['USE_HARD_LINKS'] = 'false';
  await withLock(join(DIST, '.lock-package'), async () => {
    rmSync(PACKAGE_FOLDER, { recursive: true, force: true });
    await electronBuilder({
      projectDir: ROOT,
      targets: Platform.LINUX.createTarget('dir'),
      publish: 'never',
      config: {
        ...config,
        electronDist: runtime.folder,
        electronVersion: runtime.version,
        afterPack,
      },
    });
  });
  return PACKAGE_EXECUTABLE;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    process.stdout.write(`${await packageApp()}\n`);
  } catch (error) {
    process.stderr.write(`${error instanceof SetupError ? error.message : error.stack}\n`);
    process.exitCode = 1;
  }
}
