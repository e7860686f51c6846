import { createConnection, createServer, type Server } from 'node:net';
import { unlinkSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { HeldLock, LockHost, LockOwner, LockResult } from '../host';

/*
 * A lock is a listening local socket; the kernel closes it with its process, whatever ended it (kill -9 included).
 *
 *   exclusive   listens on `<name>.w`, then no reader may answer on `<name>.r0` .. `.r15`
 *   shared      listens on a free `<name>.rN`, then no writer may answer on `<name>.w`
 *
 * Claim first, look second: of a reader and a writer that race at least one sees the other, so both can be
 * refused but never both be served. Whoever connects is told the owner in one line of JSON.
 * Linux names live in the abstract namespace: one per network namespace, gone with the process. Any local user
 * could squat a name, which denies service and nothing more (reliability 2.5.9).
 */

/** Most shared holders of one lock: readers of one ISO at the same time. */
const MAX_READERS = 16;
/** A holder that does not say who it is within this time (stopped, busy) is reported as unknown. */
const OWNER_TIMEOUT_MS = 500;
/** A refused claim is tried again: the other side may only have been looking. */
const ATTEMPTS = 3;

function address(name: string, slot: string): string {
  const label = `domus.${name}.${slot}`;
  if (process.platform === 'linux') return `\0${label}`;
  if (process.platform === 'win32') return `\\\\.\\pipe\\${label}`;
  return join(tmpdir(), `${userInfo().uid}.${label}`);
}

function isAddressInUse(error: Error): boolean {
  return 'code' in error && (error.code === 'EADDRINUSE' || error.code === 'EACCES');
}

/** Listens at `path`; undefined when somebody else does. */
function claim(path: string, owner: LockOwner): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.end(`${JSON.stringify(owner)}\n`);
    });
    server.once('error', (error) => (isAddressInUse(error) ? resolve(undefined) : reject(error)));
    server.listen(path, () => {
      server.unref();
      server.on('error', () => undefined);
      resolve(server);
    });
  });
}

type Probe = { held: false } | { held: true; owner: LockOwner | null };

function parseOwner(text: string): LockOwner | null {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || !('pid' in value) || !('name' in value))
      return null;
    if (typeof value.pid !== 'number' || typeof value.name !== 'string') return null;
    return { pid: value.pid, name: value.name.slice(0, 128) };
  } catch {
    return null;
  }
}

/** Asks whoever listens at `path` who it is. */
function probe(path: string): Promise<Probe> {
  return new Promise((resolve) => {
    let text = '';
    let connected = false;
    const socket = createConnection(path);
    const finish = (result: Probe): void => {
      socket.destroy();
      resolve(result);
    };
    socket.setTimeout(OWNER_TIMEOUT_MS, () => finish({ held: true, owner: null }));
    socket.on('connect', () => (connected = true));
    socket.on('data', (chunk) => {
      text += chunk.toString('utf8');
      if (text.includes('\n') || text.length > 4096)
        finish({ held: true, owner: parseOwner(text) });
    });
    socket.on('end', () => finish({ held: true, owner: parseOwner(text) }));
    socket.on('error', (error) => {
      const nobody = 'code' in error && (error.code === 'ECONNREFUSED' || error.code === 'ENOENT');
      finish(nobody && !connected ? { held: false } : { held: true, owner: null });
    });
  });
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

/** On systems whose names are files, a killed holder leaves its file behind. */
function removeStale(path: string): void {
  if (process.platform === 'linux' || process.platform === 'win32') return;
  try {
    unlinkSync(path);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
}

async function claimOrOwner(
  path: string,
  owner: LockOwner,
): Promise<{ server: Server } | { owner: LockOwner | null }> {
  for (let attempt = 0; ; attempt++) {
    const server = await claim(path, owner);
    if (server) return { server };
    const found = await probe(path);
    if (found.held) return { owner: found.owner };
    removeStale(path);
    if (attempt === ATTEMPTS) return { owner: null };
  }
}

async function acquireExclusive(
  name: string,
  owner: LockOwner,
): Promise<{ server: Server } | { owner: LockOwner | null }> {
  const claimed = await claimOrOwner(address(name, 'w'), owner);
  if ('owner' in claimed) return claimed;
  const readers = await Promise.all(
    Array.from({ length: MAX_READERS }, (_, i) => probe(address(name, `r${i}`))),
  );
  for (const reader of readers) {
    if (!reader.held) continue;
    await closed(claimed.server);
    return { owner: reader.owner };
  }
  return claimed;
}

async function acquireShared(
  name: string,
  owner: LockOwner,
): Promise<{ server: Server } | { owner: LockOwner | null }> {
  for (let slot = 0; slot < MAX_READERS; slot++) {
    const claimed = await claimOrOwner(address(name, `r${slot}`), owner);
    if ('owner' in claimed) continue;
    const writer = await probe(address(name, 'w'));
    if (!writer.held) return claimed;
    await closed(claimed.server);
    return { owner: writer.owner };
  }
  return { owner: null };
}

function held(server: Server): HeldLock {
  return { release: () => closed(server) };
}

async function acquire(
  name: string,
  mode: 'exclusive' | 'shared',
  owner: LockOwner,
): Promise<LockResult> {
  for (let attempt = 1; ; attempt++) {
    const result =
      mode === 'exclusive' ? await acquireExclusive(name, owner) : await acquireShared(name, owner);
    if ('server' in result) return { lock: held(result.server) };
    if (attempt === ATTEMPTS) return result;
    await new Promise((resolve) => setTimeout(resolve, 20 + Math.random() * 40));
  }
}

/** Locks that the kernel releases with their process. */
export const nodeLocks: LockHost = { acquire };
