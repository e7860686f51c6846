import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

export const ROOT = resolve(import.meta.dirname, '../../..');

/** The Electron that `npm start` would take. */
export async function electronExecutable(): Promise<string> {
  const build = (await import(pathToFileURL(resolve(ROOT, 'build/electron-runtime.mjs')).href)) as {
    electronRuntime: () => Promise<{ executable: string }>;
    ensureElectronLibraries: (executable: string) => void;
  };
  const { executable } = await build.electronRuntime();
  build.ensureElectronLibraries(executable);
  return executable;
}
