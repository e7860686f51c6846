import { describe, expect, it } from 'vitest';
import { freeVdev, vdevsOf, DISK_BUSES, type DomainConfig } from '../../core/api';
import {
  busChoices,
  differs,
  moveDisk,
  newDiskFile,
  newMac,
  removedSections,
  sectionsOf,
  validateHardware,
  withLiveParts,
} from './hardware-form';

const CONFIG: DomainConfig = {
  name: 'a',
  uuid: '4f2032f2-e9c0-4449-8f66-22317e0c423b',
  type: 'hvm',
  memory: 512,
  vcpus: 1,
  kernel: '',
  ramdisk: '',
  root: '',
  extra: '',
  disk: [
    { vdev: 'hda', target: '/a.img', format: 'raw', access: 'w', cdrom: false },
    { vdev: 'hdc', target: '/x.iso', format: 'raw', access: 'r', cdrom: true },
  ],
  vif: [{ mac: '00:16:3e:00:00:01', model: 'e1000', bridge: 'nat', link: true, forwards: [] }],
  boot: 'dc',
  firmware: '',
  vnc: true,
  vnclisten: '127.0.0.1',
  vncdisplay: null,
  vncpasswd: '',
  serial: 'pty',
  keymap: 'en-us',
  on_poweroff: 'destroy',
  on_reboot: 'restart',
  on_crash: 'destroy',
};
const LIMITS = { takenNames: ['b'], hostCpus: 2, networks: ['nat', 'isolated'] };

describe('the parts of a machine', () => {
  it('are listed with what they are set to', () => {
    expect(sectionsOf(CONFIG).map(({ id, note }) => `${id} ${note}`)).toEqual([
      'overview a',
      'memory 512 MiB',
      'processors 1',
      'disk:hda a.img',
      'cd:hdc x.iso',
      'nic:0 nat',
      'display VNC',
      'serial ttyS0',
      'boot CD, disk',
    ]);
  });

  it('differ where a setting does, but not by a disc or a cable, which change at once', () => {
    const other = {
      ...CONFIG,
      memory: 256,
      disk: CONFIG.disk.map((disk) => (disk.cdrom ? { ...disk, target: '' } : disk)),
      vif: CONFIG.vif.map((vif) => ({ ...vif, link: false })),
    };
    const changed = sectionsOf(CONFIG).filter(({ id }) => differs(CONFIG, other, id));
    expect(changed.map(({ id }) => id)).toEqual(['memory']);
    expect(withLiveParts(CONFIG, other)).toEqual({ ...other, memory: 512 });
  });

  it('are told when they go', () => {
    const without = { ...CONFIG, vif: [] };
    expect(removedSections(CONFIG, without).map(({ label }) => label)).toEqual(['Network card 0']);
  });
});

describe('validateHardware', () => {
  const errors = (change: Partial<DomainConfig>): object =>
    validateHardware({ ...CONFIG, ...change }, LIMITS);

  it('finds nothing wrong with what is good', () => {
    expect(errors({})).toEqual({});
  });

  it('says what to do about each part', () => {
    expect(errors({ name: 'b' })).toHaveProperty('overview');
    expect(errors({ memory: 8 })).toEqual({ memory: 'Give it at least 16 MiB.' });
    expect(errors({ memory: 4096 })).toHaveProperty('memory');
    expect(errors({ vcpus: 3 })).toEqual({ processors: 'The host has 2.' });
    expect(errors({ boot: '' })).toHaveProperty('boot');
    expect(errors({ ramdisk: '/r' })).toHaveProperty('boot');
    expect(errors({ vncpasswd: '123456789' })).toHaveProperty('display');
  });

  it('takes only MAC addresses that a card can have, once', () => {
    const [vif] = CONFIG.vif;
    if (!vif) throw new Error('no card');
    for (const mac of ['00:16:3e:00:00', '01:00:5e:00:00:01', '00:16:3E:00:00:01'])
      expect(errors({ vif: [{ ...vif, mac }] })).toHaveProperty(['nic:0']);
    expect(errors({ vif: [vif, vif] })).toHaveProperty(['nic:1']);
    expect(errors({ vif: [{ ...vif, bridge: 'gone' }] })).toHaveProperty(['nic:0']);
  });
});

describe('a drive', () => {
  it('moves to another bus, where it has another name, and stays where there is no place', () => {
    const moved = moveDisk(CONFIG.disk, 'hda', 'virtio');
    expect(moved.vdev).toBe('vda');
    expect(moved.disks.map(({ vdev, target }) => `${vdev} ${target}`)).toEqual([
      'vda /a.img',
      'hdc /x.iso',
    ]);
    expect(moveDisk(CONFIG.disk, 'hdc', 'sata').vdev).toBe('sda');
    expect(moveDisk(CONFIG.disk, 'hdc', 'virtio')).toEqual({ disks: CONFIG.disk, vdev: 'hdc' });
    expect(moveDisk(CONFIG.disk, 'hda', 'ide').vdev).toBe('hda');
  });
});

describe('new devices', () => {
  it('take the names and files that are free', () => {
    expect(freeVdev(CONFIG.disk, false)).toBe('hdb');
    expect(freeVdev(CONFIG.disk, true)).toBe('hdd');
    const full = DISK_BUSES.slice(0, 2)
      .flatMap(vdevsOf)
      .map((vdev) => ({ ...CONFIG.disk[0]!, vdev }));
    expect(freeVdev(full.slice(0, 4), false)).toBe('sda');
    expect(freeVdev(full, false)).toBe('vda');
    expect(freeVdev(full, true)).toBeUndefined();
    expect(busChoices(full, false).map(({ id }) => id)).toEqual(['virtio']);
    expect(busChoices(full, false, 'ide').map(({ id }) => id)).toEqual(['ide', 'virtio']);
    expect(busChoices(CONFIG.disk, true).map(({ id }) => id)).toEqual(['ide', 'sata']);
    const taken = new Set(['/i/a-hdb.qcow2']);
    expect(newDiskFile('/i', 'a', 'hdb', 'qcow2', taken)).toBe('/i/a-hdb-2.qcow2');
    expect(newDiskFile('/i', 'a', 'hdb', 'raw', taken)).toBe('/i/a-hdb.img');
    expect(newMac(() => Uint8Array.of(1, 171, 255))).toBe('00:16:3e:01:ab:ff');
  });
});
