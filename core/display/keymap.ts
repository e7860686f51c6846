/**
 * Keys of RFB clients and typed text to scan codes of set 1 (KeyboardSink form: E000h + code for extended keys), by the
 * keyboard layout the guest is set to. Layouts are QEMU's, from @kubevirt-ui-ext/vnc-keymaps.
 */
import { keyMaps, resolveCharMapping, type KeyboardLayout } from '@kubevirt-ui-ext/vnc-keymaps';

/** Key symbols that do not depend on the layout (X11 keysymdef.h) -> scan code. */
const FIXED: Readonly<Record<number, number>> = {
  0xff08: 0x0e, 0xff09: 0x0f, 0xfe20: 0x0f, 0xff0d: 0x1c, 0xff1b: 0x01, 0xff13: 0xe046, 0xff14: 0x46, 0xff15: 0x54, 0xff61: 0xe037, 0xff7f: 0x45, 0xffe5: 0x3a,
  0xff63: 0xe052, 0xffff: 0xe053, 0xff50: 0xe047, 0xff57: 0xe04f, 0xff55: 0xe049, 0xff56: 0xe051, 0xff51: 0xe04b, 0xff52: 0xe048, 0xff53: 0xe04d, 0xff54: 0xe050,
  0xffe1: 0x2a, 0xffe2: 0x36, 0xffe3: 0x1d, 0xffe4: 0xe01d, 0xffe9: 0x38, 0xffea: 0xe038, 0xffe7: 0xe05b, 0xffe8: 0xe05c, 0xffeb: 0xe05b, 0xffec: 0xe05c,
  0xfe03: 0xe038, 0xff7e: 0xe038, 0xff67: 0xe05d, 0x0020: 0x39,
  0xff8d: 0xe01c, 0xffaa: 0x37, 0xffab: 0x4e, 0xffac: 0x53, 0xffad: 0x4a, 0xffae: 0x53, 0xffaf: 0xe035,
  0xffb0: 0x52, 0xffb1: 0x4f, 0xffb2: 0x50, 0xffb3: 0x51, 0xffb4: 0x4b, 0xffb5: 0x4c, 0xffb6: 0x4d, 0xffb7: 0x47, 0xffb8: 0x48, 0xffb9: 0x49,
  0xff9e: 0x52, 0xff9c: 0x4f, 0xff99: 0x50, 0xff9b: 0x51, 0xff96: 0x4b, 0xff9d: 0x4c, 0xff98: 0x4d, 0xff95: 0x47, 0xff97: 0x48, 0xff9a: 0x49, 0xff9f: 0x53,
  0xffbe: 0x3b, 0xffbf: 0x3c, 0xffc0: 0x3d, 0xffc1: 0x3e, 0xffc2: 0x3f, 0xffc3: 0x40, 0xffc4: 0x41, 0xffc5: 0x42, 0xffc6: 0x43, 0xffc7: 0x44, 0xffc8: 0x57, 0xffc9: 0x58,
}; // prettier-ignore

const ENTER = 0x1c;
const TAB = 0x0f;

/** A key with the modifiers the layout wants for a character. */
export interface Keystroke {
  readonly scancode: number;
  readonly modifiers: readonly number[];
}

/** 0xe0xx for the extended keys that the tables write as 0x80 | code. */
function scancodeOf(tableCode: number): number {
  return tableCode > 0x7f ? 0xe000 | (tableCode & 0x7f) : tableCode;
}

/** The keys of one layout. */
export class Keymap {
  private readonly cache = new Map<string, Keystroke | undefined>();

  constructor(private readonly layout: KeyboardLayout) {}

  /** How a character is typed; undefined when the layout does not have it. */
  stroke(char: string): Keystroke | undefined {
    if (!this.cache.has(char)) this.cache.set(char, this.resolve(char));
    return this.cache.get(char);
  }

  private resolve(char: string): Keystroke | undefined {
    if (char === '\n' || char === '\r') return { scancode: ENTER, modifiers: [] };
    if (char === '\t') return { scancode: TAB, modifiers: [] };
    try {
      const { mapping, modifiers } = resolveCharMapping(char, keyMaps[this.layout].map);
      if (!mapping.scanCode) return undefined;
      return {
        scancode: scancodeOf(mapping.scanCode),
        modifiers: modifiers.map((m) => scancodeOf(m.scanCode)),
      };
    } catch {
      // The library throws on characters it knows no name of.
      return undefined;
    }
  }

  /** The key of an X11 key symbol (what RFB clients send), modifiers left to the client. */
  scancode(keysym: number): number | undefined {
    const fixed = FIXED[keysym];
    if (fixed !== undefined) return fixed;
    const char = keysym >= 0x01000100 ? keysym - 0x01000000 : keysym;
    if (char < 0x20 || char > 0x10ffff) return undefined;
    const text = String.fromCodePoint(char);
    return (this.stroke(text) ?? this.stroke(text.toLowerCase()))?.scancode;
  }

  /** Scan codes that type a text, releases as negative numbers; and the characters the layout does not have. */
  type(text: string): { scancodes: number[]; skipped: string[] } {
    const scancodes: number[] = [];
    const skipped: string[] = [];
    for (const char of text.replaceAll('\r\n', '\n')) {
      const stroke = this.stroke(char);
      if (!stroke) {
        skipped.push(char);
        continue;
      }
      scancodes.push(...stroke.modifiers, stroke.scancode, -stroke.scancode);
      for (const modifier of [...stroke.modifiers].reverse()) scancodes.push(-modifier);
    }
    return { scancodes, skipped };
  }
}
