/** Ping sockets of this computer, in a network of its own that has nothing but a loopback interface. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { bundleProgram, temporaryDirectory } from './bundle';

const directory = temporaryDirectory();
let program = '';

/** Runs a shell's commands in a new network; null where this user may not make one. */
function inNewNetwork(commands: string): string | null {
  const { status, stdout } = spawnSync('unshare', ['-n', 'sh', '-ec', commands], {
    encoding: 'utf8',
    timeout: 100_000,
  });
  return status === 0 ? stdout : null;
}

const UP = 'ip link set lo up';
const PERMIT = 'echo 0 2147483647 > /proc/sys/net/ipv4/ping_group_range';
const isAble = inNewNetwork(`${UP}; ${PERMIT}`) !== null;

beforeAll(async () => {
  mkdirSync(join(directory.path, 'node_modules'));
  const koffi = resolve(import.meta.dirname, '../../node_modules/koffi');
  symlinkSync(koffi, join(directory.path, 'node_modules/koffi'));
  program = await bundleProgram('pinger.ts', directory.path, ['koffi']);
});
afterAll(() => directory.close());

it.runIf(isAble)('pings over IPv4 and IPv6 where the group may', () => {
  const ping = `'${process.execPath}' '${program}' 127.0.0.1 ::1`;
  expect(inNewNetwork(`${UP}; ${PERMIT}; ${ping}`)).toBe('127.0.0.1 4660 same\n::1 4660 same\n');
});

it.runIf(isAble)('says so where it may not', () => {
  const forbid = 'echo 1 0 > /proc/sys/net/ipv4/ping_group_range';
  const ping = `'${process.execPath}' '${program}' 127.0.0.1 ::1`;
  expect(inNewNetwork(`${UP}; ${forbid}; ${ping}`)).toBe('not permitted\nnot permitted\n');
});
