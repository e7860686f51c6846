import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { resolve } from 'node:path';

const BUILD = resolve(import.meta.dirname, '../../../build');
const SCREEN = '1680x1050x24';

/** An X display of the tests' own; nothing shows on the developer's screen. */
export interface TestDisplay {
  readonly name: string;
  close(): void;
}

let shared: Promise<TestDisplay> | undefined;

/** One display for a test file; it ends with the process. */
export function testDisplay(): Promise<TestDisplay> {
  shared ??= open();
  return shared;
}

async function open(): Promise<TestDisplay> {
  const { hasCommand, installPackages } = (await import(
    pathToFileURL(resolve(BUILD, 'lib/apt.mjs')).href
  )) as {
    hasCommand: (name: string) => boolean;
    installPackages: (names: string[], purpose: string) => void;
  };
  if (!hasCommand('Xvfb')) installPackages(['xvfb', 'fonts-dejavu-core'], 'The tests of the app');
  const server: ChildProcess = spawn(
    'Xvfb',
    ['-displayfd', '3', '-screen', '0', SCREEN, '-nolisten', 'tcp'],
    {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    },
  );
  const numbers = server.stdio[3] as Readable;
  const [first] = (await Promise.race([
    once(numbers, 'data'),
    once(server, 'exit').then(([code]) =>
      Promise.reject(new Error(`Xvfb ended with ${String(code)}`)),
    ),
  ])) as [Buffer];
  const close = (): void => void server.kill();
  process.once('exit', close);
  return { name: `:${first.toString().trim()}`, close };
}
