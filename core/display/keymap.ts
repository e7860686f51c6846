/**
 * Keys of RFB clients and typed text to scan codes of set 1 (KeyboardSink form: E000h + code for extended keys), by the
 * keyboard layout the guest is set to. Layouts are QEMU's, from @kubevirt-ui-ext/vnc-keymaps.
 */
import {
  keyMaps,
  keysym_to_name,
  ucs2keysym,
  type KeyboardLayout,
} from '@kubevirt-ui-ext/vnc-keymaps';
import { ALT_RIGHT, DEAD_KEYS, ENTER, FIXED_KEYS, SHIFT_LEFT, TAB } from './keysyms';

/** A key with the modifiers the layout wants for a character. */
export interface Keystroke {
  readonly scancode: number;
  readonly modifiers: readonly number[];
}

/** Characters that a text may have and no key types as such. */
const CONTROL_KEYS: ReadonlyMap<string, number> = new Map([
  ['\n', ENTER],
  ['\r', ENTER],
  ['\t', TAB],
  ['\b', 0x0e],
  ['\u001b', 0x01],
]);

/** X11 key symbols of Unicode characters beyond Latin-1 without a name of their own. */
const UNICODE_KEYSYM = 0x0100_0000;

let keysymsByName: ReadonlyMap<string, number> | undefined;

/** Names of QEMU's keymap files to key symbols; the library has the list the other way round. */
function keysymOf(name: string): number | undefined {
  keysymsByName ??= new Map(keysym_to_name.map(([keysym, known]) => [known, keysym]));
  return keysymsByName.get(name);
}

/** E0xxh for the extended keys that the tables write as 80h + code. */
function scancodeOf(tableCode: number): number {
  return tableCode > 0x7f ? 0xe000 | (tableCode & 0x7f) : tableCode;
}

/** The keys of one layout. */
export class Keymap {
  private readonly strokes = new Map<number, Keystroke>();

  constructor(layout: KeyboardLayout) {
    for (const [name, code, ...rest] of keyMaps[layout].map) {
      const modifiers: readonly string[] = rest;
      const keysym = keysymOf(name);
      // Keypad keys type digits only while Num Lock is on, which is not known here.
      if (keysym === undefined || modifiers.includes('numlock') || modifiers.includes('control'))
        continue;
      const stroke: Keystroke = {
        scancode: scancodeOf(code),
        modifiers: modifiers.map((modifier) => (modifier === 'shift' ? SHIFT_LEFT : ALT_RIGHT)),
      };
      // The way with the fewest modifiers wins, else the first.
      const known = this.strokes.get(keysym);
      if (!known || stroke.modifiers.length < known.modifiers.length)
        this.strokes.set(keysym, stroke);
    }
  }

  /** How a character is typed with one key; undefined when the layout does not have it. */
  stroke(character: string): Keystroke | undefined {
    const control = CONTROL_KEYS.get(character);
    if (control !== undefined) return { scancode: control, modifiers: [] };
    const point = character.codePointAt(0) ?? 0;
    if (point < 0x20) return undefined;
    // Currency signs are their own key symbols, which the library's list does not have.
    const isCurrency = point >= 0x20a0 && point <= 0x20ac;
    return (
      this.strokeOf(isCurrency ? point : ucs2keysym(point)) ?? this.strokeOf(point | UNICODE_KEYSYM)
    );
  }

  /** How the layout makes a key symbol. */
  strokeOf(keysym: number): Keystroke | undefined {
    const fixed = FIXED_KEYS.get(keysym);
    if (fixed !== undefined) return { scancode: fixed, modifiers: [] };
    const stroke = this.strokes.get(keysym);
    if (stroke) return stroke;
    // The same character under its Unicode key symbol.
    return keysym > UNICODE_KEYSYM
      ? this.strokes.get(ucs2keysym(keysym - UNICODE_KEYSYM))
      : undefined;
  }

  /** The key of a key symbol, whatever modifiers it takes. */
  scancode(keysym: number): number | undefined {
    const stroke = this.strokeOf(keysym);
    if (stroke) return stroke.scancode;
    const point = keysym > UNICODE_KEYSYM ? keysym - UNICODE_KEYSYM : keysym;
    if (point < 0x20 || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return undefined;
    return this.stroke(String.fromCodePoint(point).toLowerCase())?.scancode;
  }

  /** Scan codes that type a text, releases as negative numbers; and the characters the layout does not have. */
  type(text: string): { scancodes: number[]; skipped: string[] } {
    const scancodes: number[] = [];
    const skipped: string[] = [];
    for (const character of text.replaceAll('\r\n', '\n')) {
      const strokes = this.sequence(character);
      if (!strokes) skipped.push(character);
      else for (const stroke of strokes) scancodes.push(...presses(stroke));
    }
    return { scancodes, skipped };
  }

  /** One key, or a dead key and a letter. */
  private sequence(character: string): readonly Keystroke[] | undefined {
    const direct = this.stroke(character);
    if (direct) return [direct];
    const [base, mark, ...more] = character.normalize('NFD');
    const dead = mark === undefined ? undefined : DEAD_KEYS.get(mark);
    if (base === undefined || dead === undefined || more.length > 0) return undefined;
    const accent = this.strokes.get(dead);
    const letter = this.stroke(base);
    return accent && letter ? [accent, letter] : undefined;
  }
}

function presses({ scancode, modifiers }: Keystroke): number[] {
  return [
    ...modifiers,
    scancode,
    -scancode,
    ...[...modifiers].reverse().map((modifier) => -modifier),
  ];
}
