import type { DomainConfig, PickedFile } from '../../core/api';
import { folderOf } from '../format';

/** What the New dialog asks; everything has a value from the start. */
export interface NewVmForm {
  name: string;
  memory: number;
  vcpus: number;
  disk: 'new' | 'existing' | 'none';
  diskGiB: number;
  existingDisk: PickedFile | null;
  iso: PickedFile | null;
  /** Without a CD: an installer that comes over the network. */
  networkBoot: boolean;
  directBoot: boolean;
  kernel: PickedFile | null;
  ramdisk: PickedFile | null;
  extra: string;
  firmware: PickedFile | null;
  serial: boolean;
  keymap: string;
  vncpasswd: string;
}

/** What the answers are checked against. */
export interface FormLimits {
  takenNames: readonly string[];
  hostCpus: number;
  hostFreeMiB: number;
}

export type FieldName = 'name' | 'memory' | 'vcpus' | 'disk' | 'kernel' | 'iso' | 'vncpasswd';
export type FieldErrors = Partial<Record<FieldName, string>>;

/** Guest memory that the engine can map, MiB. */
export const MEMORY_MIN_MIB = 16;
export const MEMORY_MAX_MIB = 3072;
export const DISK_MAX_GIB = 2048;
/** RFB's own authentication takes eight characters of a password and ignores the rest (RFC 6143, 7.2.2). */
export const VNC_PASSWORD_MAX = 8;

/** What is wrong with the name of a virtual machine. */
export function nameProblem(name: string, takenNames: readonly string[]): string | undefined {
  if (name === '') return 'Give it a name.';
  if (name.length > 64) return 'Use at most 64 characters.';
  if (!/^[A-Za-z0-9_.+:@-]+$/.test(name))
    return 'Use letters, digits and _ . + : @ - only; no spaces.';
  if (name.startsWith('-')) return 'Begin with a letter, a digit or one of _ . + : @';
  if (/^[0-9]+$/.test(name))
    return 'A name of digits only would look like a domain ID. Add a letter.';
  if (takenNames.includes(name)) return `There is already a virtual machine named “${name}”.`;
  return undefined;
}

/** What is wrong with the answers, in words that say what to do. */
export function validateForm(form: NewVmForm, limits: FormLimits): FieldErrors {
  const errors: FieldErrors = {};
  const nameWrong = nameProblem(form.name.trim(), limits.takenNames);
  if (nameWrong !== undefined) errors.name = nameWrong;

  if (!Number.isInteger(form.memory) || form.memory < MEMORY_MIN_MIB)
    errors.memory = `Give it at least ${MEMORY_MIN_MIB} MiB.`;
  else if (form.memory > MEMORY_MAX_MIB)
    errors.memory = `At most ${MEMORY_MAX_MIB} MiB can be given to one machine.`;
  else if (form.memory > limits.hostFreeMiB) {
    errors.memory = `The host has ${limits.hostFreeMiB} MiB free. Give less, or close something first.`;
  }

  if (!Number.isInteger(form.vcpus) || form.vcpus < 1) errors.vcpus = 'Give it at least one.';
  else if (form.vcpus > limits.hostCpus) errors.vcpus = `The host has ${limits.hostCpus}.`;

  if (form.disk === 'new' && (!(form.diskGiB > 0) || form.diskGiB > DISK_MAX_GIB)) {
    errors.disk = `Choose a size from 1 to ${DISK_MAX_GIB} GiB.`;
  }
  if (form.disk === 'existing' && form.existingDisk === null)
    errors.disk = 'Choose the disk image.';
  if (form.directBoot && form.kernel === null)
    errors.kernel = 'Choose the kernel, or close this section.';
  if (form.vncpasswd.length > VNC_PASSWORD_MAX)
    errors.vncpasswd = `VNC takes at most ${VNC_PASSWORD_MAX} characters.`;
  return errors;
}

/** The configuration that the answers describe, on top of what the toolstack suggested. */
export function buildConfig(
  form: NewVmForm,
  suggested: DomainConfig,
): { config: DomainConfig; createDiskBytes: Record<string, number> } {
  const name = form.name.trim();
  const createDiskBytes: Record<string, number> = {};
  const disk: DomainConfig['disk'] = [];
  if (form.disk === 'new') {
    disk.push({
      vdev: 'hda',
      target: newDiskPath(name, suggested),
      format: 'raw',
      access: 'w',
      cdrom: false,
    });
    createDiskBytes['hda'] = Math.round(form.diskGiB * 2 ** 30);
  } else if (form.disk === 'existing' && form.existingDisk !== null) {
    disk.push({
      vdev: 'hda',
      target: form.existingDisk.path,
      format: 'raw',
      access: 'w',
      cdrom: false,
    });
  }
  if (form.iso !== null)
    disk.push({ vdev: 'hdc', target: form.iso.path, format: 'raw', access: 'r', cdrom: true });
  const direct = form.directBoot && form.kernel !== null;
  const config: DomainConfig = {
    ...suggested,
    name,
    memory: form.memory,
    vcpus: form.vcpus,
    disk,
    boot: bootLetters(form),
    kernel: direct ? (form.kernel?.path ?? '') : '',
    ramdisk: direct ? (form.ramdisk?.path ?? '') : '',
    extra: direct ? form.extra.trim() : '',
    root: '',
    firmware: form.firmware?.path ?? '',
    serial: form.serial ? 'pty' : 'none',
    keymap: form.keymap,
    vnc: true,
    vncpasswd: form.vncpasswd,
  };
  return { config, createDiskBytes };
}

/** A new disk is empty: the machine starts from the network until something is installed on it. */
function bootLetters({ iso, disk, networkBoot }: NewVmForm): string {
  const hard = disk === 'none' ? '' : 'c';
  if (iso !== null) return `d${hard}`;
  if (!networkBoot) return hard || 'c';
  return disk === 'new' ? 'cn' : `n${hard}`;
}

/** Where the new disk goes: the folder the toolstack suggested, under the machine's own name. */
export function newDiskPath(name: string, suggested: DomainConfig): string {
  const own = suggested.disk.find((disk) => disk.access === 'w' && !disk.cdrom);
  if (own === undefined || name === suggested.name) return own?.target ?? '';
  return `${folderOf(own.target)}/${name}.img`;
}
