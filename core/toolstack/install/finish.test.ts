import { describe, expect, it } from 'vitest';
import { parseConfig } from '../config';
import {
  afterInstall,
  BOOT_SECTOR_BYTES,
  installNotice,
  isBootSector,
  sameBootCode,
} from './finish';

function sector(fill: (bytes: Uint8Array) => void): Uint8Array {
  const bytes = new Uint8Array(BOOT_SECTOR_BYTES);
  fill(bytes);
  return bytes;
}

const partitioned = sector((bytes) => bytes.set([0x55, 0xaa], 510));
const loader = sector((bytes) => {
  bytes.set([0xeb, 0x63, 0x90]);
  bytes.set([0x55, 0xaa], 510);
});

describe('what makes a disk bootable', () => {
  it('is code and the signature, not a partition table alone', () => {
    expect(isBootSector(new Uint8Array(BOOT_SECTOR_BYTES))).toBe(false);
    expect(isBootSector(partitioned)).toBe(false);
    expect(isBootSector(loader)).toBe(true);
    expect(isBootSector(loader.map((byte, i) => (i === 511 ? 0 : byte)))).toBe(false);
  });

  it('has changed when the code has, not when a partition was made', () => {
    const repartitioned = loader.map((byte, i) => (i === 446 ? 0x80 : byte));
    expect(sameBootCode(loader, repartitioned)).toBe(true);
    expect(sameBootCode(partitioned, loader)).toBe(false);
    expect(
      sameBootCode(
        loader,
        loader.map((byte, i) => (i === 100 ? 1 : byte)),
      ),
    ).toBe(false);
  });
});

describe('afterInstall', () => {
  const parse = (text: string) =>
    parseConfig(text, {
      file: 'f',
      directory: '/',
      newUuid: () => '4f2032f2-e9c0-4449-8f66-22317e0c423b',
    }).config;

  it('starts from the disk with empty CD drives and without the installer kernel', () => {
    const before = parse(`name = "a"
memory = 512
kernel = "/k"
ramdisk = "/r"
root = "/dev/ram"
extra = "auto=true"
boot = "dnc"
install = 1
disk = [ 'format=qcow2, vdev=hda, access=rw, target=/a.qcow2', '/x.iso,raw,hdc:cdrom,r', '/s.iso,raw,hdd:cdrom,r' ]`);
    expect(before.install).toBe(true);
    expect(afterInstall(before)).toEqual(
      parse(`name = "a"
memory = 512
boot = "cdn"
disk = [ 'format=qcow2, vdev=hda, access=rw, target=/a.qcow2', ',raw,hdc:cdrom,r', ',raw,hdd:cdrom,r' ]`),
    );
    expect(installNotice(before)).toBe(
      'a: the installation seems finished, it now starts from its disk; 2 CDs were ejected',
    );
  });
});
