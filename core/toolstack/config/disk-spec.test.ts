import { describe, expect, it } from 'vitest';
import { formatDiskSpec, parseDiskSpec, type HardDiskType } from './disk-spec';

const AT = { file: 'f', line: 1, column: 1 };
const QUIET = { warn: () => undefined };

function read(spec: string, hdtype: HardDiskType = 'ide'): string {
  const warnings: string[] = [];
  const disk = parseDiskSpec(spec, AT, {
    warn: (_, message) => warnings.push(message),
    hdtype,
  });
  return `${disk.vdev} ${disk.format} ${disk.access}${disk.cdrom ? ' cdrom' : ''} ${disk.target}${warnings.length > 0 ? ` (${warnings.join('; ')})` : ''}`;
}

describe('parseDiskSpec', () => {
  // xl-disk-configuration(5), EXAMPLES: these mean the same.
  it.each([
    '/dev/vg/v,,hda',
    '/dev/vg/v,raw,hda,rw',
    'format=raw, vdev=hda, access=rw, target=/dev/vg/v',
    'raw:/dev/vg/v,hda,w',
    'vdev=hda,/dev/vg/v',
  ])('reads %s', (spec) => {
    expect(read(spec)).toBe('hda raw w /dev/vg/v');
  });

  it.each([
    ['/x.iso,,hdc,cdrom', 'hdc raw r cdrom /x.iso'],
    ['/x.iso,raw,hdc,ro,cdrom', 'hdc raw r cdrom /x.iso'],
    ['file:/x.iso,hdc:cdrom,r', 'hdc raw r cdrom /x.iso'],
    ['phy:/dev/loop0,hda,w', 'hda raw w /dev/loop0'],
    ['tap:aio:/x.img,hdb,r', 'hdb raw r /x.img'],
    [
      'file:///x.img,hda,w!',
      'hda raw w /x.img (hda is not shared with w!: who writes to an image has it alone)',
    ],
    [',,hdc,cdrom', 'hdc raw r cdrom '],
    ['phy:,hdc:cdrom,r', 'hdc raw r cdrom '],
    ['devtype=cdrom, vdev=hdd, target=/a, b.iso', 'hdd raw r cdrom /a, b.iso'],
    [
      'file:/x.img,xvda,w',
      'hda raw w /x.img (the guest sees xvda as hda: there are no Xen disks here)',
    ],
    ['/x.img,raw,sdf,w', 'sdf raw w /x.img'],
    ['/x.iso,,sdb,cdrom', 'sdb raw r cdrom /x.iso'],
    ['format=raw, vdev=vdp, target=/x', 'vdp raw w /x'],
    ['/x.qcow2,qcow2,hda,w', 'hda qcow2 w /x.qcow2'],
    ['format=vmdk, vdev=hda, access=ro, target=/x.vmdk', 'hda vmdk r /x.vmdk'],
    ['discard, backendtype=qdisk, vdev=hda, target=/x', 'hda raw w /x'],
  ])('reads %s', (spec, expected) => {
    expect(read(spec)).toBe(expected);
  });

  it.each([
    [
      '/x.img',
      'this disk has no vdev, the name the guest knows it by: hda to hdd (IDE), sda to sdf (SATA), vda to vdp (VirtIO)',
    ],
    ['/x.img,,hde,w', "vdev 'hde' cannot be had; there are hda to hdd (IDE), sda to sdf (SATA)"],
    ['/x.img,,sdg,w', "vdev 'sdg' cannot be had"],
    ['/x.img,,vdq,w', "vdev 'vdq' cannot be had"],
    ['/x.img,,nvme0,w', "vdev 'nvme0' cannot be had"],
    ['/x.img,,vda2,w', "vdev 'vda2' is a partition; give the whole disk, vda"],
    [
      '/x.iso,,vdb,cdrom',
      'vdb cannot be a CD-ROM drive: VirtIO has none; it is hda to hdd (IDE) or sda to sdf (SATA)',
    ],
    ['/x.img,,hda1,w', "vdev 'hda1' is a partition; give the whole disk, hda"],
    [',,hda,w', 'hda has no target, the image file'],
    ['/x.img,raw,hda,x', "the access 'x' of hda is not known; it is r or w"],
    ['/x.img,zip,hda,w', "the format 'zip' of hda is not known; it is raw, qcow2, vhd, vmdk, vdi"],
    ['/x.img,qed,hda,w', "the format 'qed' of hda cannot be used; convert the image first"],
    ['/x.vdi,vdi,hda,w', 'vdi images are only read: give hda access=ro'],
    ['vdev=hda, colour=red, target=/x', "'colour' is not part of a disk specification"],
    [
      'script=block-iscsi, vdev=hda, target=/x',
      "'script=' names a block script, and there are none here; give the image file itself",
    ],
  ])('refuses %s', (spec, message) => {
    expect(() => read(spec)).toThrow(message);
  });

  // xl.cfg(5), hdtype; libxl_dm.c has disks 0 to 5 on AHCI, CDs on IDE.
  it.each([
    ['/x.img,,hda,w', 'sda raw w /x.img (hda is the SATA disk sda, as hdtype="ahci" says)'],
    ['/x.img,,hdf,w', 'sdf raw w /x.img (hdf is the SATA disk sdf, as hdtype="ahci" says)'],
    ['/x.img,,xvdb,w', 'sdb raw w /x.img (xvdb is the SATA disk sdb, as hdtype="ahci" says)'],
    ['/x.iso,,hdc,cdrom', 'hdc raw r cdrom /x.iso'],
    ['/x.img,,vda,w', 'vda raw w /x.img'],
  ])('with hdtype="ahci" reads %s', (spec, expected) => {
    expect(read(spec, 'ahci')).toBe(expected);
  });

  it('formats what it reads', () => {
    const disk = {
      vdev: 'hdc',
      target: '/a,b.iso',
      format: 'raw',
      access: 'r',
      cdrom: true,
    } as const;
    expect(parseDiskSpec(formatDiskSpec(disk), AT, QUIET)).toEqual(disk);
  });

  it('formats an overlay with the place of what it lies on', () => {
    const disk = {
      vdev: 'hda',
      target: '/disks/top.qcow2',
      format: 'qcow2',
      access: 'w',
      cdrom: false,
      backing: '/images/base',
    } as const;
    expect(parseDiskSpec(formatDiskSpec(disk), AT, QUIET)).toEqual(disk);
  });
});
