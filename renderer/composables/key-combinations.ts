/** Scan codes, set 1, of the keys in the combinations below; 0xE000 marks an extended key. */
const KEY = {
  escape: 0x01,
  backspace: 0x0e,
  ctrl: 0x1d,
  h: 0x23,
  alt: 0x38,
  delete: 0xe053,
  print: 0xe037,
} as const;

/** F1 to F10 follow each other; F11 and F12 came with a later keyboard. */
const FUNCTION_KEYS = [
  0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x40, 0x41, 0x42, 0x43, 0x44, 0x57, 0x58,
] as const;

export interface Combination {
  label: string;
  scancodes: readonly number[];
}

const functionKeys: Record<string, Combination> = Object.fromEntries(
  FUNCTION_KEYS.map((code, index) => [
    `ctrl-alt-f${index + 1}`,
    { label: `Ctrl+Alt+F${index + 1}`, scancodes: [KEY.ctrl, KEY.alt, code] },
  ]),
);

/** Keys that the host would keep for itself, by the name that menu items carry. */
export const KEY_COMBINATIONS: Readonly<Record<string, Combination>> = {
  'ctrl-alt-delete': { label: 'Ctrl+Alt+Del', scancodes: [KEY.ctrl, KEY.alt, KEY.delete] },
  'ctrl-alt-backspace': {
    label: 'Ctrl+Alt+Backspace',
    scancodes: [KEY.ctrl, KEY.alt, KEY.backspace],
  },
  ...functionKeys,
  print: { label: 'Print Screen', scancodes: [KEY.print] },
  escape: { label: 'Escape', scancodes: [KEY.escape] },
  'sysrq-h': { label: 'SysRq+H (help)', scancodes: [KEY.alt, 0x54, KEY.h] },
};
