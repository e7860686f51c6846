/** `domus disk` as people call it, and domains on disks of its making; qemu-img is the judge. */
import { spawnSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Domus } from './domus';
import { GREETING } from './tiny-guest';

let domus: Domus;

beforeEach(() => {
  domus = new Domus();
});
afterEach(() => domus.close());

function qemuImg(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync('qemu-img', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`qemu-img ${args.join(' ')}: ${stdout}${stderr}`);
  return stdout;
}

describe('domus disk', () => {
  it('creates, describes, enlarges and checks', async () => {
    const path = domus.path('a.qcow2');
    await domus.do('disk', 'create', 'a.qcow2', '1G');
    expect(qemuImg('check', '-f', 'qcow2', path)).toContain('No errors');
    expect(statSync(path).blocks * 512).toBeLessThan(1 << 20);
    await domus.do('disk', 'resize', 'a.qcow2', '+512M');
    const info = JSON.parse(await domus.do('disk', 'info', 'a.qcow2', '--json')) as object;
    expect(info).toMatchObject({
      format: 'qcow2',
      sizeBytes: 1.5 * 2 ** 30,
      blockBytes: 65536,
      looksLike: 'qcow2',
    });
    expect(await domus.do('disk', 'info', 'a.qcow2')).toContain('1.5 GiB (1610612736 bytes)');
    expect(await domus.do('disk', 'check', 'a.qcow2')).toBe('nothing is wrong\n');
    const again = await domus.run('disk', 'create', 'a.qcow2', '1G');
    expect(again).toMatchObject({ status: 1, stderr: `domus: ${path}: it exists already\n` });
  });

  it('converts what other programs made, and back', async () => {
    writeFileSync(domus.path('a.raw'), Buffer.alloc(3 << 20, 'some data '));
    qemuImg('convert', '-O', 'vmdk', '-o', 'subformat=streamOptimized', domus.path('a.raw'), domus.path('a.vmdk')); // prettier-ignore
    await domus.do('disk', 'convert', 'a.vmdk', 'b.qcow2', '--cluster-size', '4K');
    qemuImg('compare', '-f', 'raw', '-F', 'qcow2', domus.path('a.raw'), domus.path('b.qcow2'));
    await domus.do('disk', 'convert', 'b.qcow2', 'c.img');
    expect(readFileSync(domus.path('c.img')).equals(readFileSync(domus.path('a.raw')))).toBe(true);
  });

  it('takes, lists, applies and deletes snapshots', async () => {
    await domus.do('disk', 'create', 'a.qcow2', '1M');
    await domus.do('disk', 'snapshot', 'a.qcow2', 'clean');
    expect(await domus.do('disk', 'snapshot', 'a.qcow2')).toMatch(/^1\t\d{4}-.*Z\tclean\n$/);
    const copied = await domus.run('disk', 'convert', 'a.qcow2', 'b.qcow2');
    expect(copied).toMatchObject({
      status: 0,
      stderr: 'domus: the copy has the disk as it is now; the snapshots (1) stay in a.qcow2\n',
    });
    await domus.do('disk', 'snapshot', 'a.qcow2', 'clean', '--apply');
    await domus.do('disk', 'snapshot', 'a.qcow2', '1', '--delete');
    expect(await domus.do('disk', 'snapshot', 'a.qcow2', '--json')).toBe('[]\n');
  });

  it('makes overlays, which are opened only where that is allowed', async () => {
    writeFileSync(domus.path('base.raw'), Buffer.alloc(1 << 20, 'base '));
    await domus.do('disk', 'create', 'top.qcow2', '--overlay-of', 'base.raw');
    expect(await domus.do('disk', 'info', 'top.qcow2')).toContain('overlay of');
    const refused = await domus.run('disk', 'convert', 'top.qcow2', 'x.raw');
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain('that is not opened unless it is allowed');
    await domus.do('disk', 'convert', 'top.qcow2', 'x.raw', '--backing', '.');
    expect(readFileSync(domus.path('x.raw')).equals(readFileSync(domus.path('base.raw')))).toBe(
      true,
    );
  });

  it('says what is wrong, with statuses and as JSON', async () => {
    domus.file('a.disk', 'x');
    const unstated = await domus.run('disk', 'info', 'a.disk');
    expect(unstated.status).toBe(2);
    expect(unstated.stderr).toContain('the name of a.disk does not say its format');
    const wrong = await domus.run('disk', 'info', 'a.disk', '--format', 'qcow2', '--json');
    expect(wrong.status).toBe(1);
    expect(JSON.parse(wrong.stdout)).toMatchObject({ error: { code: 'BAD' } });
    expect((await domus.run('disk', 'create', 'b.qcow2', 'large')).status).toBe(2);
    expect((await domus.run('disk', 'create', 'b.vdi', '1G')).stderr).toContain('vdi images are only read'); // prettier-ignore
  });
});

describe('a domain', () => {
  it('runs from a qcow2 disk, which nobody else opens meanwhile', async () => {
    const config = domus.tiny('a').replace(/a\.cfg$/, 'b.cfg');
    await domus.do('disk', 'convert', 'a.img', 'a.qcow2', '--from', 'raw');
    domus.file('b.cfg', `name = "b"\nmemory = 32\ndisk = [ 'format=qcow2, vdev=hda, access=rw, target=a.qcow2' ]\n`); // prettier-ignore
    const run = domus.start('run', config);
    await run.printed(GREETING);
    const second = await domus.run('disk', 'resize', 'a.qcow2', '+1M');
    expect(second.status).toBe(1);
    expect(second.stderr).toContain('is in use by domain b');
    run.type('q');
    expect(await run.finished).toMatchObject({ status: 0 });
    await domus.do('disk', 'resize', 'a.qcow2', '+1M');
    expect(qemuImg('check', '-f', 'qcow2', domus.path('a.qcow2'))).toContain('No errors');
  });
});
