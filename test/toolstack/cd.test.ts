import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DiskConfig } from '../../core/api';
import { Domus } from './domus';

let domus: Domus;

beforeEach(async () => {
  domus = new Domus();
  await domus.daemon();
});
afterEach(() => domus.close());

/** An image as `block-list` has to show it: any sectors will do, the guest here reads no CD. */
function disc(name: string): string {
  return domus.file(name, new Uint8Array(64 << 10).fill(1));
}

function drive(target: string): string {
  const cd = `format=raw, vdev=hdc, access=ro, devtype=cdrom, target=${target}`;
  return `disk = [ 'format=raw, vdev=hda, access=rw, target=a.img', '${cd}' ]`;
}

async function disks(): Promise<DiskConfig[]> {
  return JSON.parse(await domus.do('block-list', '--json', 'a')) as DiskConfig[];
}

/** Nobody has the image: it can be had for writing. */
async function isFree(path: string): Promise<boolean> {
  const { status, stderr } = await domus.run('disk', 'resize', path, '+512');
  if (status !== 0) expect(stderr).toMatch(/in use|used by/);
  return status === 0;
}

describe('CDs', () => {
  it('go in and out of a drive while the domain runs, under their locks', async () => {
    const [first, second] = [disc('first.iso'), disc('second.iso')];
    await domus.do('create', domus.tiny('a', drive('first.iso')));
    expect(await isFree(first)).toBe(false);

    await domus.do('cd-insert', 'a', 'hdc', second);
    expect(await isFree(first)).toBe(true);
    expect(await isFree(second)).toBe(false);
    expect((await disks())[1]).toMatchObject({ vdev: 'hdc', cdrom: true, target: second });
    const { uuid } = (await domus.domain('a')).config;
    const stored = (): string => readFileSync(join(domus.home, 'domains', `${uuid}.cfg`), 'utf8');
    expect(stored()).toContain(second);

    await domus.do('cd-eject', 'a', 'hdc');
    expect(await isFree(second)).toBe(true);
    expect(stored()).not.toContain(second);
    expect(await domus.do('block-list', 'a')).toBe(
      `Vdev BE bus    type  access format target
hda  0  ide    disk  rw     raw    ${domus.path('a.img')}
hdc  0  ide    cdrom ro     raw    -
`,
    );
    // The same one again, into a drive that is empty.
    await domus.do('cd-insert', 'a', 'hdc', first);
    await domus.do('destroy', 'a');
    expect(await isFree(first)).toBe(true);
    expect((await disks())[1]?.target).toBe(first);
  });

  it('that cannot be had leave everything as it is, and the reason is said', async () => {
    const first = disc('first.iso');
    await domus.do('create', domus.tiny('a', drive('first.iso')));
    const refusal = async (...args: string[]): Promise<string> => {
      const { status, stderr } = await domus.run(...args);
      expect(status).toBe(1);
      return stderr;
    };
    expect(await refusal('cd-insert', 'a', 'hdc', 'none.iso')).toContain('none.iso');
    expect(await refusal('cd-insert', 'a', 'hda', first)).toBe(
      'domus: a has no CD-ROM drive hda; it has hdc\n',
    );
    writeFileSync(domus.path('empty.iso'), '');
    expect(await refusal('cd-insert', 'a', 'hdc', 'empty.iso')).toContain('is empty');
    expect((await disks())[1]?.target).toBe(first);
    expect(await isFree(first)).toBe(false);
    await domus.do('destroy', 'a');
    expect(await refusal('cd-insert', 'a', 'hdc', 'empty.iso')).toContain('is empty');
    expect((await disks())[1]?.target).toBe(first);
  });

  it('and disks are attached and detached for the next start', async () => {
    await domus.do('create', domus.tiny('a'));
    await domus.do('disk', 'create', 'more.qcow2', '1M');
    const { stderr } = await domus.run('block-attach', 'a', 'more.qcow2,qcow2,hdb,rw');
    expect(stderr).toBe('domus: a is running; its disks change at its next start\n');
    expect((await disks()).map(({ vdev }) => vdev)).toEqual(['hda']);
    await domus.do('destroy', 'a');
    expect(await disks()).toMatchObject([
      { vdev: 'hda' },
      { vdev: 'hdb', format: 'qcow2', target: domus.path('more.qcow2') },
    ]);
    await domus.do('block-detach', 'a', 'hdb');
    expect((await disks()).map(({ vdev }) => vdev)).toEqual(['hda']);
  });
});
