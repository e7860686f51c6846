import {
  busOf,
  DISK_BUSES,
  freeVdev,
  type DiskBus,
  type DiskConfig,
  type DomainConfig,
  type VifConfig,
} from '../../core/api';
import {
  MEMORY_MAX_MIB,
  MEMORY_MIN_MIB,
  nameProblem,
  VNC_PASSWORD_MAX,
} from '../wizard/new-vm-form';

/** A part of a machine that has a place in the list and a panel. */
export type SectionId =
  | 'overview'
  | 'memory'
  | 'processors'
  | 'display'
  | 'serial'
  | 'boot'
  | `disk:${string}`
  | `cd:${string}`
  | `nic:${number}`;

export interface Section {
  readonly id: SectionId;
  readonly label: string;
  /** What it is set to, in a word or two. */
  readonly note: string;
}

/** What the settings are checked against. */
export interface HardwareLimits {
  readonly takenNames: readonly string[];
  readonly hostCpus: number;
  /** Names of networks. */
  readonly networks: readonly string[];
}

const BUS_NOTES: Readonly<Record<DiskBus, string>> = {
  ide: 'every system knows it',
  sata: 'AHCI; most systems know it',
  virtio: 'needs a driver, as Linux has',
};
/** Network cards a machine has slots for. */
export const MAX_NICS = 8;
export const NIC_MODELS = [
  { id: 'e1000', label: 'e1000 (Intel 82540EM)' },
  { id: 'virtio-net', label: 'virtio-net (fast, needs a driver)' },
  { id: 'rtl8139', label: 'rtl8139 (Realtek)' },
  { id: 'ne2k_pci', label: 'ne2k_pci (for old systems)' },
] as const;

const MAC = /^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/;

function fileName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function bootNote({ kernel, boot }: DomainConfig): string {
  const words: Readonly<Record<string, string>> = { a: 'floppy', c: 'disk', d: 'CD', n: 'network' };
  return kernel === '' ? [...boot].map((letter) => words[letter] ?? letter).join(', ') : 'kernel';
}

/** Everything a configuration has, in the order of the list. */
export function sectionsOf(config: DomainConfig): Section[] {
  const drives: Section[] = config.disk.map((disk) =>
    disk.cdrom
      ? {
          id: `cd:${disk.vdev}`,
          label: `CD-ROM ${disk.vdev}`,
          note: disk.target === '' ? 'empty' : fileName(disk.target),
        }
      : { id: `disk:${disk.vdev}`, label: `Disk ${disk.vdev}`, note: fileName(disk.target) },
  );
  const cards: Section[] = config.vif.map((vif, index) => ({
    id: `nic:${index}`,
    label: `Network card ${index}`,
    note: vif.bridge,
  }));
  return [
    { id: 'overview', label: 'Overview', note: config.name },
    { id: 'memory', label: 'Memory', note: `${config.memory} MiB` },
    { id: 'processors', label: 'Processors', note: String(config.vcpus) },
    ...drives,
    ...cards,
    { id: 'display', label: 'Display', note: config.vnc ? 'VNC' : 'none' },
    { id: 'serial', label: 'Serial port', note: config.serial === 'pty' ? 'ttyS0' : 'none' },
    { id: 'boot', label: 'Boot order', note: bootNote(config) },
  ];
}

/** The settings of one part, for comparing; what changes at once (a disc, a cable) is not among them. */
function partOf(config: DomainConfig, id: SectionId): unknown {
  const [kind, name = ''] = id.split(':');
  switch (kind) {
    case 'overview':
      return [config.name, config.on_poweroff, config.on_reboot, config.on_crash];
    case 'memory':
      return config.memory;
    case 'processors':
      return config.vcpus;
    case 'display':
      return [config.vnc, config.vncpasswd, config.vncdisplay, config.keymap];
    case 'serial':
      return config.serial;
    case 'boot':
      return [
        config.boot,
        config.kernel,
        config.ramdisk,
        config.root,
        config.extra,
        config.firmware,
      ];
    case 'cd':
      return config.disk.some((disk) => disk.vdev === name && disk.cdrom);
    case 'disk':
      return config.disk.find((disk) => disk.vdev === name && !disk.cdrom) ?? null;
    default: {
      const vif = config.vif[Number(name)];
      return vif ? { ...vif, link: true } : null;
    }
  }
}

/** Whether a part is not the same in two configurations. */
export function differs(a: DomainConfig, b: DomainConfig, id: SectionId): boolean {
  return JSON.stringify(partOf(a, id)) !== JSON.stringify(partOf(b, id));
}

/** Parts of `before` that `after` has no more. */
export function removedSections(before: DomainConfig, after: DomainConfig): Section[] {
  const left = new Set(sectionsOf(after).map((section) => section.id));
  return sectionsOf(before).filter((section) => !left.has(section.id));
}

/** Discs and cables change at once, by themselves: a draft has them as they are stored. */
export function withLiveParts(draft: DomainConfig, stored: DomainConfig): DomainConfig {
  return {
    ...draft,
    disk: draft.disk.map((disk) => {
      const now = stored.disk.find((each) => each.vdev === disk.vdev && each.cdrom);
      return disk.cdrom && now ? { ...disk, target: now.target } : disk;
    }),
    vif: draft.vif.map((vif) => {
      const now = stored.vif.find((each) => each.mac === vif.mac);
      return now ? { ...vif, link: now.link } : vif;
    }),
  };
}

/** What is wrong with the settings, by the part they are in, in words that say what to do. */
export function validateHardware(
  config: DomainConfig,
  limits: HardwareLimits,
): Partial<Record<SectionId, string>> {
  const errors: Partial<Record<SectionId, string>> = {};
  const name = nameProblem(config.name, limits.takenNames);
  if (name !== undefined) errors.overview = name;
  if (!Number.isInteger(config.memory) || config.memory < MEMORY_MIN_MIB)
    errors.memory = `Give it at least ${MEMORY_MIN_MIB} MiB.`;
  else if (config.memory > MEMORY_MAX_MIB)
    errors.memory = `At most ${MEMORY_MAX_MIB} MiB can be given to one machine.`;
  if (!Number.isInteger(config.vcpus) || config.vcpus < 1)
    errors.processors = 'Give it at least one.';
  else if (config.vcpus > limits.hostCpus) errors.processors = `The host has ${limits.hostCpus}.`;
  if (config.vncpasswd.length > VNC_PASSWORD_MAX)
    errors.display = `VNC takes at most ${VNC_PASSWORD_MAX} characters.`;
  if (config.kernel === '' && config.ramdisk !== '')
    errors.boot = 'A RAM disk needs a kernel; choose one, or remove the RAM disk.';
  else if (config.kernel === '' && config.boot === '')
    errors.boot = 'Choose at least one device to start from.';
  config.vif.forEach((vif, index) => {
    const problem = nicProblem(config.vif, vif, limits);
    if (problem !== undefined) errors[`nic:${index}`] = problem;
  });
  return errors;
}

function nicProblem(
  all: readonly VifConfig[],
  vif: VifConfig,
  { networks }: HardwareLimits,
): string | undefined {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(vif.mac))
    return 'Write the MAC address as six pairs of 0-9 and a-f, like 00:16:3e:12:34:56.';
  if (!MAC.test(vif.mac))
    return 'This MAC address is one of a group; its second digit has to be even.';
  if (all.filter((each) => each.mac === vif.mac).length > 1)
    return 'Another card of this machine has that MAC address.';
  if (networks.length > 0 && !networks.includes(vif.bridge))
    return `There is no network “${vif.bridge}”; choose another one.`;
  return undefined;
}

/** Buses for a drive to choose of: those that take one of its kind and have a place, and the one it is on. */
export function busChoices(
  disks: readonly DiskConfig[],
  cdrom: boolean,
  current?: DiskBus,
): { id: DiskBus; label: string }[] {
  return DISK_BUSES.filter(
    ({ bus }) => bus === current || freeVdev(disks, cdrom, bus) !== undefined,
  ).map(({ bus, label }) => ({ id: bus, label: `${label} (${BUS_NOTES[bus]})` }));
}

/** The drives with one of them on another bus, in its first free place there, and what it is called then. */
export function moveDisk(
  disks: readonly DiskConfig[],
  vdev: string,
  bus: DiskBus,
): { disks: DiskConfig[]; vdev: string } {
  const moving = disks.find((disk) => disk.vdev === vdev);
  const to = moving && busOf(vdev)?.bus !== bus ? freeVdev(disks, moving.cdrom, bus) : undefined;
  if (to === undefined) return { disks: [...disks], vdev };
  return { disks: disks.map((disk) => (disk === moving ? { ...disk, vdev: to } : disk)), vdev: to };
}

/** A MAC address of Xen's own range (00:16:3e), at random. */
export function newMac(random: (count: number) => Uint8Array): string {
  const tail = [...random(3)].map((byte) => byte.toString(16).padStart(2, '0'));
  return ['00', '16', '3e', ...tail].join(':');
}

/** A file for a new disk that no machine names yet. */
export function newDiskFile(
  folder: string,
  name: string,
  vdev: string,
  format: 'raw' | 'qcow2',
  taken: ReadonlySet<string>,
): string {
  const extension = format === 'raw' ? 'img' : 'qcow2';
  for (let number = 1; ; number++) {
    const path = `${folder}/${name}-${vdev}${number === 1 ? '' : `-${number}`}.${extension}`;
    if (!taken.has(path)) return path;
  }
}
