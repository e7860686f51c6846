import type { AccessWidth, PortIo } from '../hw';

interface PortRange {
  readonly first: number;
  readonly count: number;
  readonly device: PortIo;
  /** An 8-bit device: wider accesses become byte accesses at successive ports, as on the ISA bus. */
  readonly bytewise: boolean;
}

const PORTS = 0x10000;
const ALL_ONES = [0, 0xff, 0xffff, 0, 0xffffffff] as const;

/** The I/O port space: 65,536 ports, later mappings in front of earlier ones, nothing reads as all ones. */
export class PortMap {
  private readonly ranges: PortRange[] = [];
  /** Index into `slots` per port; slot 0 is nothing. */
  private readonly table = new Uint8Array(PORTS);
  private slots: (PortRange | undefined)[] = [undefined];

  map(first: number, count: number, device: PortIo, bytewise = false): () => void {
    const range: PortRange = { first, count: Math.min(count, PORTS - first), device, bytewise };
    this.ranges.push(range);
    this.paint(range);
    return () => {
      const at = this.ranges.indexOf(range);
      if (at < 0) return;
      this.ranges.splice(at, 1);
      this.rebuild();
    };
  }

  read(port: number, width: AccessWidth): number {
    const range = this.slots[this.table[port & 0xffff]];
    if (!range) return ALL_ONES[width];
    if (width !== 1 && range.bytewise) return this.readBytes(port, width);
    return range.device.readPort((port & 0xffff) - range.first, width);
  }

  write(port: number, width: AccessWidth, value: number): void {
    const range = this.slots[this.table[port & 0xffff]];
    if (!range) return;
    if (width === 1 || !range.bytewise) {
      range.device.writePort((port & 0xffff) - range.first, width, value);
      return;
    }
    for (let i = 0; i < width; i++) this.write((port + i) & 0xffff, 1, (value >>> (8 * i)) & 0xff);
  }

  private readBytes(port: number, width: AccessWidth): number {
    let value = 0;
    for (let i = width - 1; i >= 0; i--)
      value = value * 256 + (this.read((port + i) & 0xffff, 1) & 0xff);
    return value;
  }

  private paint(range: PortRange): void {
    let slot = this.slots.findIndex((held, i) => i > 0 && held === undefined);
    if (slot < 0) slot = this.slots.push(range) - 1;
    // The table holds a byte a port: the board maps a few dozen ranges, BARs of its functions included.
    if (slot > 0xff) return;
    this.slots[slot] = range;
    this.table.fill(slot, range.first, range.first + range.count);
  }

  private rebuild(): void {
    this.table.fill(0);
    this.slots = [undefined];
    for (const range of this.ranges) this.paint(range);
  }
}
