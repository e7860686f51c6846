import { rm } from 'node:fs/promises';

const PATIENCE_MS = 30_000;
const EVERY_MS = 200;

/**
 * Removes the home of an app that was killed. Chromium's helpers write to their caches until they notice, and Node's
 * own retries do not look for files that came after they listed a folder.
 */
export async function removeHome(path: string): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      await rm(path, { recursive: true, force: true });
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((wake) => setTimeout(wake, EVERY_MS));
    }
  }
}
