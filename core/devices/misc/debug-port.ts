/**
 * Debug console port (E9h), as Bochs and QEMU have it: firmware prints here before it has any other console.
 * Scope: a byte written is a byte of output; a read returns E9h, which is how firmware finds it.
 */
import type { AccessWidth, CharBackend, Clock, Device, PortIo, ResetKind, Timer } from '../../hw';

const PRESENT = 0xe9;
const FLUSH_NS = 1_000_000;
const FLUSH_BYTES = 4096;

export class DebugPort implements Device<{ version: 1 }>, PortIo {
  readonly id = 'debug-port';
  private readonly out = new Uint8Array(FLUSH_BYTES);
  private length = 0;
  private readonly timer: Timer;

  constructor(private readonly wires: { clock: Clock; line?: CharBackend | undefined }) {
    this.timer = wires.clock.timer(() => this.flush());
  }

  reset(_kind: ResetKind): void {
    this.flush();
  }

  save(): { version: 1 } {
    this.flush();
    return { version: 1 };
  }

  restore(_state: { version: 1 }): void {
    this.length = 0;
  }

  readPort(_offset: number, _width: AccessWidth): number {
    return PRESENT;
  }

  writePort(_offset: number, width: AccessWidth, value: number): void {
    for (let i = 0; i < width; i++) {
      this.out[this.length++] = value >>> (8 * i);
      if (this.length === FLUSH_BYTES) this.flush();
    }
    if (this.length > 0 && this.timer.deadlineNs === Infinity)
      this.timer.arm(this.wires.clock.now + FLUSH_NS);
  }

  flush(): void {
    this.timer.cancel();
    if (this.length === 0) return;
    const bytes = this.out.slice(0, this.length);
    this.length = 0;
    this.wires.line?.write(bytes);
  }
}
