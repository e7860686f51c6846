import { z } from 'zod';
import type { CommandName, Params } from '../../../core/api';

/** Shape of the toolstack commands as the window may send them; what the values mean is the toolstack's to check. */
const MAX_NAME = 256;
const MAX_PATH = 4096;
const MAX_TEXT = 1 << 20;

const none = z.strictObject({});
const path = z.string().max(MAX_PATH).refine((value) => !value.includes('\0'), 'has a zero byte');
const domain = z.string().min(1).max(MAX_NAME);
const named = z.strictObject({ domain });
const short = z.string().max(MAX_NAME);

const configSchema = z.strictObject({
  name: short,
  uuid: short,
  type: z.literal('hvm'),
  memory: z.number(),
  vcpus: z.number(),
  kernel: path,
  ramdisk: path,
  root: short,
  extra: z.string().max(4096),
  disk: z
    .array(
      z.strictObject({
        vdev: short,
        target: path,
        format: z.literal('raw'),
        access: z.enum(['r', 'w']),
        cdrom: z.boolean(),
      }),
    )
    .max(64),
  boot: z.string().max(8),
  firmware: path,
  vnc: z.boolean(),
  vnclisten: short,
  vncdisplay: z.number().nullable(),
  vncpasswd: short,
  serial: z.enum(['pty', 'none']),
  keymap: short,
  on_poweroff: z.enum(['destroy', 'restart', 'preserve', 'rename-restart']),
  on_reboot: z.enum(['destroy', 'restart', 'preserve', 'rename-restart']),
  on_crash: z.enum(['destroy', 'restart', 'preserve', 'rename-restart']),
});

/** Every command the window may call; the compiler refuses a command of core/api that is missing here. */
export const commandSchemas: { [C in CommandName]: z.ZodType<Params<C>> } = {
  'host/info': none,
  'domain/list': none,
  'domain/get': named,
  'domain/define': z.strictObject({
    config: configSchema,
    createDiskBytes: z.record(short, z.number().nonnegative()).optional(),
  }) as z.ZodType<Params<'domain/define'>>,
  'domain/redefine': z.strictObject({ domain, config: configSchema }),
  'domain/start': z.strictObject({ domain, paused: z.boolean().optional() }) as z.ZodType<Params<'domain/start'>>,
  'domain/pause': named,
  'domain/unpause': named,
  'domain/shutdown': named,
  'domain/reboot': named,
  'domain/reset': named,
  'domain/destroy': named,
  'domain/delete': z.strictObject({ domain, deleteDisks: z.array(path).max(64).optional() }) as z.ZodType<
    Params<'domain/delete'>
  >,
  'domain/screenshot': named,
  'domain/sendKeys': z.strictObject({ domain, scancodes: z.array(z.number().int()).max(4096) }),
  'domain/typeText': z.strictObject({ domain, text: z.string().max(MAX_TEXT) }),
  'console/history': named,
  'console/write': z.strictObject({ domain, data: z.string().max(MAX_TEXT) }),
  'config/parse': z.strictObject({ text: z.string().max(MAX_TEXT), file: path.optional() }) as z.ZodType<
    Params<'config/parse'>
  >,
  'config/format': z.strictObject({ config: configSchema }),
  'iso/inspect': z.strictObject({ path }),
  'domain/suggest': z.strictObject({ iso: path.optional() }) as z.ZodType<Params<'domain/suggest'>>,
  'task/cancel': z.strictObject({ task: z.number().int() }),
};

/** The host files a command would make the toolstack open, remove or create. */
export function pathsOf(command: CommandName, params: unknown): string[] {
  switch (command) {
    case 'domain/define':
    case 'domain/redefine': {
      const { config } = params as Params<'domain/define'>;
      return [config.kernel, config.ramdisk, config.firmware, ...config.disk.map((disk) => disk.target)].filter(
        (value) => value !== '',
      );
    }
    case 'domain/delete':
      return (params as Params<'domain/delete'>).deleteDisks ?? [];
    case 'iso/inspect':
      return [(params as Params<'iso/inspect'>).path];
    case 'domain/suggest': {
      const { iso } = params as Params<'domain/suggest'>;
      return iso === undefined ? [] : [iso];
    }
    default:
      return [];
  }
}
