import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { nodeFiles } from '../../host-node';
import { buildIso } from '../../storage';
import { unattendedFormat } from './unattended';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'domus-unattended-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** A CD with these files in its root. */
function cd(...names: string[]): string {
  const path = join(directory, 'cd.iso');
  const bytes = new Uint8Array(2048).fill(1);
  writeFileSync(
    path,
    buildIso(
      'CD',
      names.map((name) => ({ name, bytes })),
      0,
    ),
  );
  return path;
}

it('an installer with kernel and ramdisk is answered in its own words', async () => {
  const iso = cd('linux', 'initrd.gz');
  expect(await unattendedFormat(nodeFiles, iso, 'debian12')).toBe('preseed');
  expect(await unattendedFormat(nodeFiles, iso, 'ubuntu18.04')).toBe('preseed');
  for (const osId of ['fedora40', 'rhel9', 'centos7', 'rocky9', 'almalinux9'])
    expect(await unattendedFormat(nodeFiles, iso, osId)).toBe('kickstart');
});

it('live systems, others and CDs without a kernel are not', async () => {
  const iso = cd('linux', 'initrd.gz');
  for (const osId of ['debian-live', 'debian-based', 'linuxmint21', 'freebsd14', 'generic'])
    expect(await unattendedFormat(nodeFiles, iso, osId)).toBeUndefined();
  expect(await unattendedFormat(nodeFiles, cd('readme.txt'), 'debian12')).toBeUndefined();
  expect(await unattendedFormat(nodeFiles, '/none.iso', 'debian12')).toBeUndefined();
});
