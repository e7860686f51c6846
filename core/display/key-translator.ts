import type { Keymap } from './keymap';
import {
  ALT_LEFT,
  ALT_RIGHT,
  CAPS_LOCK,
  CONTROL_LEFT,
  CONTROL_RIGHT,
  META_LEFT,
  META_RIGHT,
  SHIFT_LEFT,
  SHIFT_RIGHT,
} from './keysyms';

/** Keys one client may hold; more are ignored. */
const MAX_HELD = 64;
const SHIFTS = [SHIFT_LEFT, SHIFT_RIGHT];
const COMMAND_KEYS = [CONTROL_LEFT, CONTROL_RIGHT, ALT_LEFT, META_LEFT, META_RIGHT];

/**
 * Key events of one client to scan codes. A client names characters, the guest makes them out of keys in its own layout:
 * where the two keyboards differ, Shift and AltGr are pressed or released around the key.
 */
export class KeyTranslator {
  private readonly held = new Set<number>();
  /** Which key each pressed key symbol became: its release may come under other modifiers. */
  private readonly bySymbol = new Map<number, number>();
  private capsLock = false;

  constructor(
    private readonly keymap: Keymap,
    private readonly emit: (scancode: number, pressed: boolean) => void,
  ) {}

  /** A key known by its position (QEMU extended key event). */
  scancode(scancode: number, pressed: boolean): void {
    if (pressed) {
      if (this.held.size >= MAX_HELD && !this.held.has(scancode)) return;
      this.held.add(scancode);
      if (scancode === CAPS_LOCK) this.capsLock = !this.capsLock;
    } else if (!this.held.delete(scancode)) return;
    this.emit(scancode, pressed);
  }

  /** A key known by what it means. */
  keysym(keysym: number, pressed: boolean): void {
    if (!pressed) {
      const scancode = this.bySymbol.get(keysym) ?? this.keymap.scancode(keysym);
      this.bySymbol.delete(keysym);
      if (scancode !== undefined) this.scancode(scancode, false);
      return;
    }
    const stroke = this.keymap.strokeOf(keysym);
    const scancode = stroke?.scancode ?? this.keymap.scancode(keysym);
    if (scancode === undefined || this.bySymbol.size >= MAX_HELD) return;
    this.bySymbol.set(keysym, scancode);
    const isCharacter = keysym > 0x20 && (keysym < 0xfe00 || keysym >= 0x0100_0000);
    if (!stroke || !isCharacter || COMMAND_KEYS.some((key) => this.held.has(key)))
      return this.scancode(scancode, true);
    this.withModifiers(stroke.modifiers, isLetter(keysym), () => this.scancode(scancode, true));
  }

  releaseAll(): void {
    for (const scancode of this.held) this.emit(scancode, false);
    this.held.clear();
    this.bySymbol.clear();
  }

  /** Runs `press` with exactly the modifiers the layout wants. */
  private withModifiers(wanted: readonly number[], letter: boolean, press: () => void): void {
    const inverted = letter && this.capsLock;
    const wantsShift = wanted.includes(SHIFT_LEFT) !== inverted;
    const wantsAltGr = wanted.includes(ALT_RIGHT);
    const shifts = SHIFTS.filter((key) => this.held.has(key));
    const release = [
      ...(wantsShift ? [] : shifts),
      ...(this.held.has(ALT_RIGHT) && !wantsAltGr ? [ALT_RIGHT] : []),
    ];
    const add = [
      ...(wantsShift && shifts.length === 0 ? [SHIFT_LEFT] : []),
      ...(wantsAltGr && !this.held.has(ALT_RIGHT) ? [ALT_RIGHT] : []),
    ];
    for (const key of release) this.emit(key, false);
    for (const key of add) this.emit(key, true);
    press();
    for (const key of add.reverse()) this.emit(key, false);
    for (const key of release.reverse()) this.emit(key, true);
  }
}

/** Letters of Latin-1 and ASCII, which Caps Lock changes. */
function isLetter(keysym: number): boolean {
  const character = keysym < 0x100 ? String.fromCharCode(keysym) : '';
  return character.toLowerCase() !== character.toUpperCase();
}
