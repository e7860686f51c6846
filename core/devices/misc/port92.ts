/**
 * System control port A (92h): fast A20 gate and fast reset.
 * Document: Intel 82371SB (PIIX3) 290550-002 section 2.5.10; IBM PS/2 Model 50/60 Technical Reference (port 92h).
 */
import type { AccessWidth, Device, PortIo, ResetKind } from '../../hw';

const FAST_INIT = 0x01;
const FAST_A20 = 0x02;

export interface Port92State {
  version: 1;
  value: number;
}

export class Port92 implements Device<Port92State>, PortIo {
  readonly id = 'port92';
  private s: Port92State = { version: 1, value: FAST_A20 };

  constructor(private readonly wires: { onA20(enabled: boolean): void; onReset(): void }) {}

  reset(_kind: ResetKind): void {
    this.s.value = FAST_A20;
  }

  save(): Port92State {
    return { ...this.s };
  }

  restore(state: Port92State): void {
    this.s = { ...state };
  }

  /** The 8042 moved the gate: both show the same level. */
  setA20(enabled: boolean): void {
    this.s.value = enabled ? this.s.value | FAST_A20 : this.s.value & ~FAST_A20;
  }

  readPort(_offset: number, _width: AccessWidth): number {
    return this.s.value;
  }

  writePort(_offset: number, _width: AccessWidth, value: number): void {
    const old = this.s.value;
    this.s.value = value & 0xff & ~FAST_INIT;
    if ((old ^ value) & FAST_A20) this.wires.onA20((value & FAST_A20) !== 0);
    // Reset on a rising edge of bit 0, which reads back as 0 here: the reset has happened.
    if (value & FAST_INIT) this.wires.onReset();
  }
}
