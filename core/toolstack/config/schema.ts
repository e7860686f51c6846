import { z } from 'zod';
import {
  busOf,
  DISK_BUSES,
  VDEVS,
  vdevRange,
  type DomainConfig,
  type NetworkConfig,
} from '../../api';

/** Guest RAM the engine can host, MiB. */
export const MIN_MEMORY_MIB = 16;
export const MAX_MEMORY_MIB = 3072;
export const MAX_VCPUS = 32;
/** Keyboard layouts of the screen's server; xl calls them by QEMU's names. */
export const KEYMAPS = ['en-us', 'en-gb', 'de', 'fr'] as const;
export const END_ACTIONS = ['destroy', 'restart', 'preserve', 'rename-restart'] as const;

const MAX_PATH_CHARACTERS = 4096;
const MAX_COMMAND_LINE_CHARACTERS = 2047;

/** xl refuses a slash too; the rest keeps names usable as file names, in shells and on one line. */
export const NAME_PATTERN = /^[A-Za-z0-9_.+:@][A-Za-z0-9_.+:@-]{0,63}$/;
export const UUID_PATTERN = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

function isAbsolute(path: string): boolean {
  return path.startsWith('/') || /^[A-Za-z]:[\\/]/.test(path);
}

const path = z
  .string()
  .max(MAX_PATH_CHARACTERS)
  .refine((text) => !text.includes('\0') && isAbsolute(text), {
    message: 'must be an absolute path',
  });
const optionalPath = z.union([z.literal(''), path]);
const line = z
  .string()
  .max(MAX_COMMAND_LINE_CHARACTERS)
  .regex(/^[^\0\r\n]*$/, 'must be one line');

export const diskSchema = z.strictObject({
  vdev: z.enum(VDEVS, { error: `must be ${DISK_BUSES.map(vdevRange).join(', ')}` }),
  target: optionalPath,
  format: z.enum(['raw', 'qcow2', 'vhd', 'vmdk', 'vdi']),
  access: z.enum(['r', 'w']),
  cdrom: z.boolean(),
  backing: path.exactOptional(),
});

/** Why a vdev is none for a CD-ROM drive. */
export function noCdrom(vdev: string): string {
  const able = DISK_BUSES.filter((row) => row.cdroms);
  const names = able.map((row) => `${vdevRange(row)} (${row.label})`).join(' or ');
  return `${vdev} cannot be a CD-ROM drive: ${busOf(vdev)?.label ?? ''} has none; it is ${names}`;
}

const disks = z
  .array(diskSchema)
  .max(VDEVS.length)
  .superRefine((list, context) => {
    const seen = new Set<string>();
    for (const disk of list) {
      if (seen.has(disk.vdev))
        context.addIssue({ code: 'custom', message: `two disks are called ${disk.vdev}` });
      seen.add(disk.vdev);
      if (disk.cdrom && disk.access === 'w')
        context.addIssue({ code: 'custom', message: `the CD-ROM ${disk.vdev} cannot be writable` });
      if (disk.cdrom && busOf(disk.vdev)?.cdroms === false)
        context.addIssue({ code: 'custom', message: noCdrom(disk.vdev) });
      if (disk.access === 'w' && disk.format !== 'raw' && disk.format !== 'qcow2')
        context.addIssue({
          code: 'custom',
          message: `${disk.format} images are only read; ${disk.vdev} needs raw or qcow2`,
        });
      if (!disk.cdrom && disk.target === '')
        context.addIssue({ code: 'custom', message: `the disk ${disk.vdev} has no target` });
    }
  });

/** Network cards a board has slots for. */
export const MAX_VIFS = 8;
export const NIC_MODELS = ['e1000', 'rtl8139', 'ne2k_pci', 'virtio-net'] as const;
export const NETWORK_NAME_PATTERN = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}$/;

const ipAddress = z.union([z.ipv4(), z.ipv6()]);
const port = z.int().min(0).max(65535);

export const forwardSchema = z.strictObject({
  protocol: z.enum(['tcp', 'udp']),
  hostAddress: ipAddress,
  hostPort: port,
  guestAddress: z.union([z.literal(''), ipAddress]),
  guestPort: port.min(1),
});

export const vifSchema = z.strictObject({
  mac: z
    .string()
    .regex(/^[0-9a-f][02468ace](?::[0-9a-f]{2}){5}$/, 'must be a MAC address in lower case'),
  model: z.enum(NIC_MODELS),
  bridge: z.string().regex(NETWORK_NAME_PATTERN, 'must be the name of a network'),
  link: z.boolean(),
  forwards: z.array(forwardSchema).max(64),
});

const cidr = z.string().max(64);

/** A network as it is stored; `networkProblem` checks what its addresses mean. */
export const networkSchema = z.strictObject({
  name: z.string().regex(NETWORK_NAME_PATTERN, 'must be 1 to 32 letters, digits or _ . -'),
  mode: z.enum(['nat', 'host-only', 'isolated']),
  shared: z.boolean(),
  subnet: cidr,
  subnet6: cidr,
  lan: z.boolean(),
  rules: z
    .array(
      z.strictObject({
        action: z.enum(['allow', 'deny']),
        to: z.union([z.cidrv4(), z.cidrv6(), ipAddress]),
        ports: z.tuple([port, port]).nullable(),
      }),
    )
    .max(256),
  boot: z
    .strictObject({
      folder: path,
      file: z
        .string()
        .regex(/^[!-~]{0,127}$/, 'must be at most 127 characters of ASCII without spaces'),
    })
    .exactOptional(),
}) satisfies z.ZodType<NetworkConfig>;

const vifs = z
  .array(vifSchema)
  .max(MAX_VIFS)
  .refine((list) => new Set(list.map((vif) => vif.mac)).size === list.length, {
    message: 'has two cards with the same MAC address',
  });

/** A domain's configuration, checked at every border it crosses. */
export const domainConfigSchema = z.strictObject({
  name: z
    .string()
    .regex(NAME_PATTERN, 'must be 1 to 64 letters, digits or _ . + : @ - and not start with -'),
  uuid: z.string().regex(UUID_PATTERN, 'must be a UUID in lower case'),
  type: z.literal('hvm'),
  memory: z
    .int()
    .min(MIN_MEMORY_MIB, `must be at least ${MIN_MEMORY_MIB} MiB`)
    .max(MAX_MEMORY_MIB, `must be at most ${MAX_MEMORY_MIB} MiB`),
  vcpus: z.int().min(1).max(MAX_VCPUS),
  kernel: optionalPath,
  ramdisk: optionalPath,
  root: line,
  extra: line,
  disk: disks,
  vif: vifs,
  boot: z
    .string()
    .regex(/^[acdn]{0,4}$/, 'must be letters of a (floppy), c (disk), d (CD-ROM), n (network)'),
  firmware: optionalPath,
  vnc: z.boolean(),
  vnclisten: z.enum(['127.0.0.1', 'localhost'], {
    error: 'must be 127.0.0.1: the screen is served to this computer only',
  }),
  vncdisplay: z.int().min(0).max(59635).nullable(),
  vncpasswd: z.string().max(8, 'has at most 8 characters (the VNC protocol takes no more)'),
  serial: z.enum(['pty', 'none']),
  keymap: z.enum(KEYMAPS),
  translate: z.boolean().exactOptional(),
  install: z.boolean().exactOptional(),
  on_poweroff: z.enum(END_ACTIONS),
  on_reboot: z.enum(END_ACTIONS),
  on_crash: z.enum(END_ACTIONS),
}) satisfies z.ZodType<DomainConfig>;

/** The first problem of a configuration as `key: sentence`, or undefined when it is good. */
export function configProblem(value: unknown): string | undefined {
  const result = domainConfigSchema.safeParse(value);
  if (result.success) return undefined;
  const issue = result.error.issues[0];
  if (!issue) return 'the configuration is not valid';
  return issue.path.length > 0 ? `${issue.path.join('.')}: ${issue.message}` : issue.message;
}
