import { z } from 'zod';
import type { IpcChannel, IpcParams } from '../../../core/api';

/** Names, paths and texts from the window are bounded, so that a broken page cannot fill main's memory. */
const MAX_NAME = 256;
const MAX_PATH = 4096;
const MAX_TEXT = 1 << 20;
const MAX_FILE_BYTES = 64 << 20;

const none = z.strictObject({});
const text = (max: number): z.ZodString => z.string().max(max);
const path = z
  .string()
  .min(1)
  .max(MAX_PATH)
  .refine((value) => !value.includes('\0'), 'has a zero byte');
const bytes = z
  .instanceof(Uint8Array)
  .refine((value) => value.byteLength <= MAX_FILE_BYTES, 'is too large');
const state = z.enum(['shutoff', 'running', 'paused', 'saved', 'crashed']);

export const preferencesSchema = z.strictObject({
  theme: z.enum(['system', 'light', 'dark']),
  confirmForceOff: z.boolean(),
  confirmReset: z.boolean(),
  confirmShutDown: z.boolean(),
  consoleScale: z.enum(['fit', 'actual']),
  hostKey: z.enum(['ControlRight', 'AltRight', 'ShiftRight', 'ScrollLock', 'Pause']),
  keymap: z.string().regex(/^[a-z]{2,3}(-[a-z]{2})?$/),
  openConsoleOnStart: z.boolean(),
  serialFontSize: z.number().int().min(8).max(32),
  serialScrollback: z.number().int().min(1000).max(100_000),
  showTasks: z.boolean(),
  sidebarWidth: z.number().int().min(140).max(600),
  tasksHeight: z.number().int().min(60).max(600),
});

/** A schema for every request of the window; the compiler refuses a channel without one. */
export const requestSchemas: { [C in IpcChannel]: z.ZodType<IpcParams<C>> } = {
  'toolstack/call': z.strictObject({
    command: text(64),
    params: z.unknown(),
  }) as unknown as z.ZodType<IpcParams<'toolstack/call'>>,
  'app/info': none,
  'app/open-data-folder': none,
  'preferences/get': none,
  'preferences/set': preferencesSchema.partial() as z.ZodType<IpcParams<'preferences/set'>>,
  'file/pick': z.strictObject({
    kind: z.enum(['iso', 'disk', 'kernel', 'ramdisk', 'firmware', 'config', 'folder']),
  }),
  'file/new': z.strictObject({ kind: z.enum(['capture']), name: text(MAX_NAME) }),
  'file/dropped': z.strictObject({ path }),
  'file/recent': none,
  'file/read-config': z.strictObject({ path }),
  'file/approve': z.strictObject({ paths: z.array(path).max(64) }),
  'file/save': z.strictObject({
    kind: z.enum(['screenshot', 'serial-log', 'config', 'report']),
    name: text(MAX_NAME),
    data: bytes,
  }),
  'clipboard/read': none,
  'clipboard/write': z.strictObject({ text: text(MAX_TEXT) }),
  'clipboard/write-image': z.strictObject({ png: bytes }),
  'vnc/open': z.strictObject({ domain: text(MAX_NAME) }),
  'menu/context': z.strictObject({
    state: state.nullable(),
    tab: z.enum(['overview', 'console', 'hardware', 'serial', 'performance']).nullable(),
    scale: z.enum(['fit', 'actual']),
    tasks: z.boolean(),
    anyRunning: z.boolean(),
    anyStartable: z.boolean(),
  }),
  'window/input-captured': z.strictObject({ captured: z.boolean() }),
  'window/full-screen': z.strictObject({ on: z.boolean() }),
  'quit/answer': z.strictObject({
    answer: z.enum(['shutdown', 'force-off', 'background', 'cancel']),
  }),
};
