import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { VDEVS, type DomainConfig, type InstallSeed } from '../../api';
import { nodeFiles } from '../../host-node';
import { buildIso, inspectIso } from '../../storage';
import { parseConfig } from '../config';
import { prepareInstall, removeInstallFiles } from './prepare';

const UUID = '4f2032f2-e9c0-4449-8f66-22317e0c423b';
const LINUX = new Uint8Array(3 << 20).fill(7);
const RAMDISK = new Uint8Array(4097).fill(9);
const PRESEED: InstallSeed = {
  format: 'preseed',
  volumeId: 'PRESEED',
  files: [{ name: 'preseed.cfg', text: 'd-i x\n' }],
  commandLine: 'auto=true',
};
const CLOUD: InstallSeed = {
  format: 'cloud-init',
  volumeId: 'cidata',
  files: [
    { name: 'user-data', text: '#cloud-config\n' },
    { name: 'meta-data', text: '' },
  ],
  commandLine: '',
};

let directory: string;
let location: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'domus-install-'));
  location = join(directory, 'installer.iso');
  const files = [
    { name: 'linux', bytes: LINUX },
    { name: 'initrd.gz', bytes: RAMDISK },
  ];
  writeFileSync(location, buildIso('INSTALLER', files, 0));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function config(disks = ''): DomainConfig {
  const text = `name = "a"\ndisk = [ '/a.qcow2,qcow2,hda,w'${disks} ]`;
  return parseConfig(text, { file: 'f', directory: '/', newUuid: () => UUID }).config;
}

const made = (): string[] => readdirSync(join(directory, 'install'));

describe('prepareInstall', () => {
  it('takes kernel and ramdisk out of the CD and puts the preseed behind the ramdisk', async () => {
    const request = { config: config(), location, seed: PRESEED, extra: 'debug' };
    const result = await prepareInstall(nodeFiles, directory, request, 0);
    expect(result).toMatchObject({ install: true, extra: 'debug auto=true', disk: config().disk });
    expect(readFileSync(result.kernel).equals(LINUX)).toBe(true);
    const ramdisk = readFileSync(result.ramdisk);
    expect(ramdisk.subarray(0, RAMDISK.length).equals(RAMDISK)).toBe(true);
    // Linux looks for the next archive on multiples of four bytes, over zeros.
    expect(ramdisk.indexOf('070701')).toBe(4100);
    expect(ramdisk.includes('preseed.cfg')).toBe(true);
    await removeInstallFiles(nodeFiles, directory, UUID);
    expect(made()).toEqual([]);
  });

  it('puts other answers on a CD, which alone installs nothing', async () => {
    const result = await prepareInstall(nodeFiles, directory, { config: config(), seed: CLOUD }, 0);
    expect(result.install).toBeUndefined();
    const cd = result.disk[1];
    expect(cd).toMatchObject({ vdev: 'hdd', cdrom: true, access: 'r' });
    expect(await inspectIso(nodeFiles, cd?.target ?? '')).toMatchObject({ volumeId: 'cidata' });
  });

  it('uses an empty drive for it, and says when there is no place', async () => {
    const empty = config(", ',raw,hdc:cdrom,r'");
    const result = await prepareInstall(nodeFiles, directory, { config: empty, seed: CLOUD }, 0);
    expect(result.disk.map(({ vdev }) => vdev)).toEqual(['hda', 'hdc']);
    const disks = (...names: string[]): string =>
      names.map((name) => `, '/${name},raw,${name},w'`).join('');
    const ide = config(disks('hdb', 'hdc', 'hdd'));
    const sata = await prepareInstall(nodeFiles, directory, { config: ide, seed: CLOUD }, 0);
    expect(sata.disk.at(-1)).toMatchObject({ vdev: 'sdf', cdrom: true });
    await removeInstallFiles(nodeFiles, directory, UUID);
    const full = config(disks(...VDEVS.filter((vdev) => vdev !== 'hda')));
    await expect(
      prepareInstall(nodeFiles, directory, { config: full, seed: CLOUD }, 0),
    ).rejects.toThrow('no free place for the CD');
    expect(made()).toEqual([]);
  });

  it('refuses a preseed that nothing would read, and a CD without an installer', async () => {
    await expect(
      prepareInstall(nodeFiles, directory, { config: config(), seed: PRESEED }, 0),
    ).rejects.toThrow('a preseed needs --location');
    writeFileSync(location, buildIso('OTHER', [], 0));
    await expect(
      prepareInstall(nodeFiles, directory, { config: config(), location, seed: PRESEED }, 0),
    ).rejects.toThrow('there is no kernel and ramdisk of an installer');
    writeFileSync(location, 'x');
    await expect(
      prepareInstall(nodeFiles, directory, { config: config(), location, seed: PRESEED }, 0),
    ).rejects.toThrow('is no CD image');
    expect(made()).toEqual([]);
  });
});
