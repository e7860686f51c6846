/**
 * PIIX3 PCI-to-ISA bridge (8086:7000 at 00:01.0): PIRQ routing and reset control.
 * Document: Intel 82371SB (PIIX3) 290550-002, sections 2.2 and 2.5.
 * Scope: PIRQRC[A:D], RST_CNT (CF9h). Missing: ISA timing, USB, MBIRQ and distributed-DMA registers (they hold what
 * is written). The interrupt controllers, timer and RTC inside the chip are devices of their own.
 */
import type { Device, IrqLine, PortIo, ResetKind } from '../../hw';
import { pciConfig, UNCONNECTED_IRQ, type PciBar, type PciFunction } from './pci-function';

const PIRQRC = 0x60;
const PIRQ_DISABLED = 0x80;
/** PIRQs may not go to IRQ 0, 1, 2, 8 and 13 (PIIX3 2.2.7). */
const ROUTABLE = 0xdef8;
const RST_CNT_RESET = 0x04;
const RST_CNT_HARD = 0x02;

export interface Piix3State {
  version: 1;
  pirqLevels: [boolean, boolean, boolean, boolean];
  resetControl: number;
}

export interface Piix3Capabilities {
  /** A wire of its own for PIRQ `pirq` to ISA IRQ `irq`; the board ORs the wires of one IRQ. */
  isaIrq(pirq: number, irq: number): IrqLine;
  onReset(): void;
}

export class Piix3Isa implements Device<Piix3State>, PciFunction {
  readonly id = 'piix3';
  readonly config: Uint8Array;
  readonly writeMask: Uint8Array;
  readonly clearMask: Uint8Array;
  readonly bars: readonly PciBar[] = [];
  irq = UNCONNECTED_IRQ;
  private s: Piix3State = powerOn();
  /** ISA IRQ that each PIRQ drives now, -1 none. */
  private readonly driven = [-1, -1, -1, -1];

  constructor(private readonly wires: Piix3Capabilities) {
    const space = pciConfig({
      vendor: 0x8086,
      device: 0x7000,
      class: 0x060100,
      multifunction: true,
      command: 0x0007,
      status: 0x0200,
    });
    this.config = space.config;
    this.writeMask = space.writeMask;
    this.clearMask = space.clearMask;
    this.writeMask.fill(0xff, 0x4c, 0xb0);
    this.writeMask.fill(0x8f, PIRQRC, PIRQRC + 4);
    this.config.fill(PIRQ_DISABLED, PIRQRC, PIRQRC + 4);
    this.config[0x4c] = 0x4d;
    this.config[0x4e] = 0x03;
    this.config[0x69] = 0x02;
  }

  reset(_kind: ResetKind): void {
    this.s.resetControl = 0;
    this.route();
  }

  save(): Piix3State {
    return { ...this.s, pirqLevels: [...this.s.pirqLevels] };
  }

  restore(state: Piix3State): void {
    this.s = { ...state, pirqLevels: [...state.pirqLevels] };
    this.route();
  }

  onConfigWrite(offset: number, length: number): void {
    if (offset + length > PIRQRC && offset < PIRQRC + 4) this.route();
  }

  /** Routes the four links, as firmware does. */
  setRoutes(irqs: readonly number[]): void {
    this.config.set(irqs.slice(0, 4), PIRQRC);
    this.route();
  }

  /** PIRQA# to PIRQD# from the bus. */
  pirq(n: 0 | 1 | 2 | 3): IrqLine {
    return {
      set: (level) => {
        this.s.pirqLevels[n] = level;
        this.route();
      },
    };
  }

  /** Reset control register, port CF9h. */
  readonly resetControl: PortIo = {
    readPort: () => this.s.resetControl,
    writePort: (_offset, _width, value) => {
      const rising = (value & ~this.s.resetControl & RST_CNT_RESET) !== 0;
      this.s.resetControl = value & (RST_CNT_HARD | RST_CNT_RESET);
      if (rising) this.wires.onReset();
    },
  };

  private route(): void {
    for (let n = 0; n < 4; n++) {
      const route = this.config[PIRQRC + n];
      const irq = route & 0x0f;
      const target = !(route & PIRQ_DISABLED) && ROUTABLE & (1 << irq) ? irq : -1;
      const old = this.driven[n];
      if (old >= 0 && old !== target) this.wires.isaIrq(n, old).set(false);
      this.driven[n] = target;
      if (target >= 0) this.wires.isaIrq(n, target).set(this.s.pirqLevels[n]);
    }
  }
}

function powerOn(): Piix3State {
  return { version: 1, pirqLevels: [false, false, false, false], resetControl: 0 };
}
