import { describe, expect, it } from 'vitest';
import type { DomainConfig } from '../../core/api';
import {
  buildConfig,
  newDiskPath,
  validateForm,
  type FormLimits,
  type NewVmForm,
} from './new-vm-form';

const limits: FormLimits = { takenNames: ['debian12'], hostCpus: 2, hostFreeMiB: 8192 };
const iso = { path: '/isos/debian.iso', name: 'debian.iso', sizeBytes: 1 };
const form: NewVmForm = {
  name: 'debian12-2',
  memory: 512,
  vcpus: 1,
  disk: 'new',
  diskGiB: 8,
  existingDisk: null,
  iso,
  networkBoot: false,
  directBoot: false,
  kernel: null,
  ramdisk: null,
  extra: '',
  firmware: null,
  serial: true,
  keymap: 'de',
  vncpasswd: '',
};
const suggested: DomainConfig = {
  name: 'debian12-2',
  uuid: '6f2b3f0e-5d3a-4c53-8a55-9f6f0d4f7a10',
  type: 'hvm',
  memory: 512,
  vcpus: 1,
  kernel: '',
  ramdisk: '',
  root: '',
  extra: '',
  disk: [
    { vdev: 'hda', target: '/images/debian12-2.img', format: 'raw', access: 'w', cdrom: false },
  ],
  vif: [],
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
  on_crash: 'preserve',
};

describe('validateForm', () => {
  it('accepts what the wizard fills in', () => {
    expect(validateForm(form, limits)).toEqual({});
  });

  it.each([
    ['', 'Give it a name.'],
    ['two words', 'Use letters, digits and _ . + : @ - only; no spaces.'],
    ['42', 'A name of digits only would look like a domain ID. Add a letter.'],
    ['debian12', 'There is already a virtual machine named “debian12”.'],
  ])('refuses the name %j', (name, message) => {
    expect(validateForm({ ...form, name }, limits).name).toBe(message);
  });

  it('says how much memory the host has when more is asked', () => {
    const message = validateForm(
      { ...form, memory: 2048 },
      { ...limits, hostFreeMiB: 1000 },
    ).memory;
    expect(message).toBe('The host has 1000 MiB free. Give less, or close something first.');
  });

  it('wants a kernel for direct boot and an image for an existing disk', () => {
    const errors = validateForm({ ...form, directBoot: true, disk: 'existing' }, limits);
    expect(Object.keys(errors).sort()).toEqual(['disk', 'kernel']);
  });
});

describe('buildConfig', () => {
  it('boots the CD first and puts the new disk where the toolstack suggested', () => {
    const { config, createDiskBytes } = buildConfig(form, suggested);
    expect(config.boot).toBe('dc');
    expect(config.disk).toEqual([
      { vdev: 'hda', target: '/images/debian12-2.img', format: 'raw', access: 'w', cdrom: false },
      { vdev: 'hdc', target: '/isos/debian.iso', format: 'raw', access: 'r', cdrom: true },
    ]);
    expect(createDiskBytes).toEqual({ hda: 8 * 2 ** 30 });
    expect(config.keymap).toBe('de');
  });

  it('boots from the network without a CD: behind a new disk, which is empty, before another one', () => {
    const boot = (answers: Partial<NewVmForm>): string =>
      buildConfig({ ...form, iso: null, networkBoot: true, ...answers }, suggested).config.boot;
    expect(boot({})).toBe('cn');
    expect(boot({ disk: 'existing' })).toBe('nc');
    expect(boot({ disk: 'none' })).toBe('n');
    expect(boot({ networkBoot: false, disk: 'none' })).toBe('c');
    expect(boot({ iso })).toBe('dc');
  });

  it('leaves the kernel out when its section is closed', () => {
    const kernel = { path: '/boot/vmlinuz', name: 'vmlinuz', sizeBytes: 1 };
    expect(buildConfig({ ...form, kernel, directBoot: false }, suggested).config.kernel).toBe('');
    expect(buildConfig({ ...form, kernel, directBoot: true }, suggested).config.kernel).toBe(
      '/boot/vmlinuz',
    );
  });
});

describe('newDiskPath', () => {
  it('follows the name of the machine in the suggested folder', () => {
    expect(newDiskPath('other', suggested)).toBe('/images/other.img');
  });
});
