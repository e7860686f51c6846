import { beforeEach, describe, expect, it } from 'vitest';
import type { AddressSpace, Mmio, PortIo } from '../../hw';
import { RecordingLine } from '../../../test/support/recording-line';
import { PciBus } from './pci-bus';
import { pciConfig, UNCONNECTED_IRQ, type PciFunction } from './pci-function';
import { PciHostI440fx } from './pci-host-i440fx';
import { Piix3Isa } from './piix3-isa';

const NOTHING: PortIo & Mmio = {
  readPort: () => 0,
  writePort() {},
  readMmio: () => 0,
  writeMmio() {},
};

function rig() {
  const mapped = new Set<string>();
  const track = (what: string): (() => void) => {
    mapped.add(what);
    return () => void mapped.delete(what);
  };
  const addressSpace: AddressSpace = {
    mapMmio: (gpa, length) => track(`mmio ${gpa.toString(16)}+${length.toString(16)}`),
    mapRegion: (gpa, region) => track(`${region.name} ${gpa.toString(16)}`),
    allocateRegion: (name, bytes) => ({ name, bytes: new Uint8Array(bytes) }),
    mapPorts: (port, count) => track(`io ${port.toString(16)}+${count}`),
  };
  const pirq = [
    new RecordingLine(),
    new RecordingLine(),
    new RecordingLine(),
    new RecordingLine(),
  ] as const;
  const shadow: string[] = [];
  const bus = new PciBus({ addressSpace, pirq });
  const host = new PciHostI440fx({
    bus,
    shadow: (gpa, length, r, w) =>
      shadow.push(`${gpa.toString(16)}+${length.toString(16)} ${r ? 'r' : '-'}${w ? 'w' : '-'}`),
  });
  bus.plug(0, 0, host);
  const fn: PciFunction = {
    ...pciConfig({ vendor: 0x1234, device: 0x1111, class: 0x030000, interruptPin: 1 }),
    bars: [
      {
        index: 0,
        kind: 'region',
        size: 0x1000000,
        prefetchable: true,
        handler: addressSpace.allocateRegion('vram', 16),
      },
      { index: 2, kind: 'mmio', size: 0x1000, handler: NOTHING },
      { index: 4, kind: 'io', size: 16, handler: NOTHING },
    ],
    irq: UNCONNECTED_IRQ,
  };
  bus.plug(2, 0, fn);
  const address = (slot: number, number: number, register: number): void =>
    host.configAddressPort.writePort(
      0,
      4,
      (0x80000000 | (slot << 11) | (number << 8) | (register & 0xfc)) >>> 0,
    );
  const read = (slot: number, register: number, width: 1 | 2 | 4 = 4): number => {
    address(slot, 0, register);
    return host.configDataPort.readPort(register & 3, width);
  };
  const write = (slot: number, register: number, value: number, width: 1 | 2 | 4 = 4): void => {
    address(slot, 0, register);
    host.configDataPort.writePort(register & 3, width, value);
  };
  return { mapped, pirq, shadow, bus, host, fn, read, write };
}

let r: ReturnType<typeof rig>;
beforeEach(() => {
  r = rig();
});

describe('PciBus', () => {
  it('shows functions by mechanism 1 and all ones elsewhere', () => {
    expect(r.read(0, 0)).toBe(0x12378086);
    expect(r.read(2, 0x0a, 2)).toBe(0x0300);
    expect(r.read(3, 0)).toBe(0xffffffff);
    r.host.configAddressPort.writePort(0, 4, 0);
    expect(r.host.configDataPort.readPort(0, 2)).toBe(0xffff);
    expect(r.host.configAddressPort.readPort(0, 4)).toBe(0);
  });

  it('sizes BARs by writing ones (PCI 2.1 6.2.5.1)', () => {
    const size = (register: number): number => {
      r.write(2, register, 0xffffffff);
      return r.read(2, register);
    };
    expect([0x10, 0x14, 0x18, 0x20, 0x30].map(size)).toEqual([
      0xff000008, 0, 0xfffff000, 0xfffffff1, 0,
    ]);
  });

  it('maps BARs as the command register enables them, and nothing while they are sized', () => {
    r.write(2, 0x10, 0xe0000000);
    r.write(2, 0x18, 0xe1000000);
    r.write(2, 0x20, 0xc040);
    expect([...r.mapped]).toEqual([]);
    r.write(2, 0x04, 0x0003, 2);
    expect([...r.mapped].sort()).toEqual(['io c040+16', 'mmio e1000000+1000', 'vram e0000000']);
    r.write(2, 0x10, 0xffffffff);
    expect([...r.mapped]).not.toContain('vram e0000000');
    r.write(2, 0x10, 0xf0000000);
    expect([...r.mapped]).toContain('vram f0000000');
    r.write(2, 0x04, 0x0001, 2);
    expect([...r.mapped]).toEqual(['io c040+16']);
    r.bus.reset('warm');
    expect([...r.mapped]).toEqual([]);
  });

  it('keeps read-only bits, clears status bits written as 1', () => {
    r.write(2, 0x00, 0xdeadbeef);
    expect(r.read(2, 0)).toBe(0x11111234);
    r.fn.config[7] |= 0x20;
    r.write(2, 0x06, 0x2000, 2);
    expect(r.read(2, 0x06, 2) & 0x2000).toBe(0);
    r.write(2, 0x3c, 0xff0b, 2);
    expect(r.read(2, 0x3c, 2)).toBe(0x010b);
  });

  it('drives PIRQ by slot and pin, with the status bit and INTx disable', () => {
    r.fn.irq.set(true);
    expect(r.pirq.map((line) => line.level)).toEqual([false, true, false, false]);
    expect(r.read(2, 0x06, 2) & 8).toBe(8);
    r.write(2, 0x04, 0x0400, 2);
    expect(r.pirq[1].level).toBe(false);
    r.write(2, 0x04, 0x0000, 2);
    expect(r.pirq[1].level).toBe(true);
    r.fn.irq.set(false);
    expect(r.pirq[1].level).toBe(false);
  });

  it('saves and restores configuration, mappings and levels', () => {
    r.write(2, 0x20, 0xc100);
    r.write(2, 0x04, 0x0001, 2);
    r.fn.irq.set(true);
    const state = structuredClone(r.bus.save());
    const other = rig();
    other.bus.restore(state);
    expect([...other.mapped]).toEqual(['io c100+16']);
    expect(other.pirq[1].level).toBe(true);
    expect(other.bus.save()).toEqual(state);
  });
});

describe('PciHostI440fx', () => {
  it('shadows by the PAM registers', () => {
    r.shadow.length = 0;
    r.write(0, 0x59, 0x30, 1);
    expect(r.shadow[0]).toBe('f0000+10000 rw');
    r.shadow.length = 0;
    r.write(0, 0x5a, 0x21, 1);
    expect(r.shadow.slice(1, 3)).toEqual(['c0000+4000 r-', 'c4000+4000 -w']);
  });

  it('opens SMRAM until it is locked', () => {
    r.write(0, 0x72, 0x4a, 1);
    expect(r.shadow.at(-1)).toBe('a0000+20000 rw');
    r.write(0, 0x72, 0x1a, 1);
    expect(r.shadow.at(-1)).toBe('a0000+20000 --');
  });
});

describe('Piix3Isa', () => {
  it('routes PIRQs to ISA IRQs and moves an asserted one', () => {
    const lines = new Map<string, RecordingLine>();
    const line = (pirq: number, irq: number): RecordingLine => {
      const key = `${pirq}:${irq}`;
      if (!lines.has(key)) lines.set(key, new RecordingLine());
      return lines.get(key)!;
    };
    const isa = new Piix3Isa({ isaIrq: line, onReset() {} });
    r.bus.plug(1, 0, isa);
    isa.pirq(2).set(true);
    r.write(1, 0x62, 0x0b, 1);
    expect(line(2, 11).level).toBe(true);
    r.write(1, 0x62, 0x0a, 1);
    expect([line(2, 11).level, line(2, 10).level]).toEqual([false, true]);
    r.write(1, 0x62, 0x80, 1);
    expect(line(2, 10).level).toBe(false);
    r.write(1, 0x62, 0x02, 1);
    expect(lines.has('2:2')).toBe(false);
  });

  it('resets on the rising edge of RST_CNT bit 2', () => {
    let resets = 0;
    const isa = new Piix3Isa({ isaIrq: () => UNCONNECTED_IRQ, onReset: () => resets++ });
    isa.resetControl.writePort(0, 1, 0x02);
    expect(resets).toBe(0);
    isa.resetControl.writePort(0, 1, 0x06);
    isa.resetControl.writePort(0, 1, 0x06);
    expect(resets).toBe(1);
    expect(isa.resetControl.readPort(0, 1)).toBe(6);
  });
});
