import { join } from 'node:path';
import { app, nativeTheme } from 'electron';
import { DEFAULT_PREFERENCES, type Preferences } from '../../../core/api';
import type { IpcServer } from '../ipc/server';
import { preferencesSchema } from '../ipc/schemas';
import { readJson, writeJson } from './state-file';

/** The preferences of the user, one file, applied to the theme at once. */
export class PreferencesStore {
  #value: Preferences = DEFAULT_PREFERENCES;
  #writing: Promise<void> = Promise.resolve();
  readonly #path = join(app.getPath('userData'), 'preferences.json');

  get value(): Preferences {
    return this.#value;
  }

  async load(): Promise<void> {
    const stored = preferencesSchema.partial().safeParse(await readJson(this.#path));
    if (stored.success)
      this.#value = { ...DEFAULT_PREFERENCES, ...(stored.data as Partial<Preferences>) };
    nativeTheme.themeSource = this.#value.theme;
  }

  async set(patch: Partial<Preferences>): Promise<Preferences> {
    this.#value = { ...this.#value, ...patch };
    nativeTheme.themeSource = this.#value.theme;
    const value = this.#value;
    this.#writing = this.#writing.then(() => writeJson(this.#path, value)).catch(() => undefined);
    await this.#writing;
    return value;
  }

  serve(ipc: IpcServer, changed: (preferences: Preferences) => void): void {
    ipc.handle('preferences/get', () => this.#value);
    ipc.handle('preferences/set', async (patch) => {
      const value = await this.set(patch);
      changed(value);
      return value;
    });
  }
}
