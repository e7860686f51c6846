/** What happens to the images of running machines from outside: a full disk, a file that is taken away. */
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { ToolstackEvent } from '../../core/api';
import { nodeSockets } from '../../core/host-node';
import { connectToolstack } from '../../core/toolstack';
import { Domus } from './domus';
import { GREETING } from './tiny-guest';

const SMALL_BYTES = 2 << 20;

let domus: Domus;

beforeEach(() => {
  domus = new Domus();
});
afterEach(() => domus.close());

/** Takes all room that is left. */
function fill(path: string): void {
  const fd = openSync(path, 'w');
  const page = new Uint8Array(4096).fill(1);
  try {
    for (;;) writeSync(fd, page);
  } catch (cause) {
    expect(cause).toMatchObject({ code: 'ENOSPC' });
  } finally {
    closeSync(fd);
  }
}

/** The tiny guest on a disk that needs room for every write; its configuration. */
async function onFreshClusters(): Promise<string> {
  domus.tiny('a');
  await domus.do('disk', 'convert', 'a.img', 'a.qcow2', '--from', 'raw');
  await domus.do('disk', 'snapshot', 'a.qcow2', 'before');
  const disk = "disk = [ 'format=qcow2, vdev=hda, access=rw, target=small/a.qcow2' ]";
  return domus.file('b.cfg', `name = "b"\nmemory = 32\n${disk}\n`);
}

it('a full disk pauses the machine until there is room; the guest sees no error', async () => {
  const config = await onFreshClusters();
  const image = domus.path('a.qcow2');
  const { program, inside } = domus.startOnSmallDisk(SMALL_BYTES, image, 'daemon');
  await program.complained('serving');
  await domus.do('create', config);
  const console = domus.start('console', 'b');
  await console.printed(GREETING);
  fill(join(inside, 'filler'));
  console.type('w');
  const { reason } = await domus.reaches('b', 'paused');
  expect(reason).toContain('a.qcow2: the disk is full; make room and unpause the domain');
  // Too soon: it is tried again, and the machine stays paused.
  await domus.do('unpause', 'b');
  await domus.reaches('b', 'paused');
  expect(console.stdout).not.toContain('W');
  rmSync(join(inside, 'filler'));
  await domus.do('unpause', 'b');
  await console.printed('W');
  console.type('q');
  await console.finished;
  await domus.reaches('b', 'shutoff');
  copyFileSync(join(inside, 'a.qcow2'), domus.path('after.qcow2'));
  await domus.do('disk', 'convert', 'after.qcow2', 'after.img');
  const bytes = readFileSync(domus.path('after.img'));
  // Sector 1 is the guest itself, as it was in memory.
  expect(bytes.subarray(512, 560).equals(bytes.subarray(0, 48))).toBe(true);
  const check = spawnSync('qemu-img', ['check', '-f', 'qcow2', domus.path('after.qcow2')]);
  expect(check.status).toBe(0);
});

it('domus run goes on by itself when there is room', async () => {
  const config = await onFreshClusters();
  const image = domus.path('a.qcow2');
  const { program, inside } = domus.startOnSmallDisk(SMALL_BYTES, image, 'run', config);
  await program.printed(GREETING);
  fill(join(inside, 'filler'));
  program.type('w');
  await program.complained('a.qcow2: the disk is full');
  rmSync(join(inside, 'filler'));
  await program.printed('W');
  program.type('q');
  expect(await program.finished).toMatchObject({ status: 0 });
});

it('a disk whose file is taken away while the guest has it is told of', async () => {
  await domus.daemon();
  const client = await connectToolstack(nodeSockets, join(domus.home, 'run', 'domus.sock'));
  const said = new Promise<ToolstackEvent>((resolve) =>
    client.onEvent((event) => {
      if (event.type === 'notice' && event.level === 'error') resolve(event);
    }),
  );
  await domus.do('create', domus.tiny('a'));
  const image = domus.path('a.img');
  renameSync(image, domus.path('b.img'));
  expect(await said).toMatchObject({
    domain: (await domus.domain('a')).config.uuid,
    message: expect.stringContaining(
      `${image} was removed or renamed while the guest has it as hda; what the guest writes is lost`,
    ) as string,
  });
  client.close();
});
