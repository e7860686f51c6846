import { resolve } from 'node:path';
import { electronRuntime, ensureElectronLibraries } from '../../../build/electron-runtime.mjs';

export const ROOT = resolve(import.meta.dirname, '../../..');
export const DIST = resolve(ROOT, 'dist');

/** The Electron that `npm start` would take. */
export async function electronExecutable(): Promise<string> {
  const { executable } = await electronRuntime();
  ensureElectronLibraries(executable);
  return executable;
}
