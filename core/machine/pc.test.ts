import { beforeEach, describe, expect, it } from 'vitest';
import { RAM_BASE } from '../cpu';
import { Bios, cmosImage, platform } from '../firmware';
import type { AccessWidth, CharBackend, RegisterAccess } from '../hw';
import { NULL_LOGGER } from '../base';
import { MockClock } from '../../test/support/mock-clock';
import { MachineAddressSpace } from './address-space';
import { firmwareConfig } from './firmware-config';
import { Pc } from './pc';

const MIB = 1 << 20;
const RAM = 16 * MIB;

function rig() {
  const clock = new MockClock();
  const space = new MachineAddressSpace(new SharedArrayBuffer(RAM_BASE + RAM + 20 * MIB), RAM);
  const events: string[] = [];
  const serial: CharBackend & { out: string } = {
    out: '',
    write(bytes) {
      this.out += String.fromCharCode(...bytes);
    },
  };
  const pc = new Pc(
    {
      clock,
      space,
      tsc: { read: () => BigInt(clock.now), hz: 1e9 },
      processor: {
        interrupt() {},
        nonMaskable: () => events.push('nmi'),
        init: () => events.push('init'),
        startUp() {},
      },
      registers: () => undefined,
      serial,
      display: { resize: (w, h) => new Uint8Array(w * h * 4), dirty() {}, text() {} },
      onReset: () => events.push('reset'),
      onPowerOff: () => events.push('poweroff'),
    },
    {
      fwCfg: firmwareConfig({
        ramBytes: RAM,
        vcpus: 1,
        uuid: new Uint8Array(16),
        bootOrder: 'dc',
        drives: [
          { cdrom: false, path: 'ide@1,1/drive@0/disk@0' },
          { cdrom: true, path: 'ide@1,1/drive@1/disk@0' },
        ],
        bootMenu: true,
        tables: new Map(),
      }),
      drives: [],
      cmos: cmosImage({ ramBytes: RAM, floppies: 0, hardDisks: 1, bootOrder: 'dc' }),
    },
  );
  pc.reset('power-on');
  return { clock, space, pc, events, serial };
}

let r: ReturnType<typeof rig>;
beforeEach(() => {
  r = rig();
});
const out = (port: number, value: number, width: AccessWidth = 1): void =>
  r.space.writePort(port, width, value);
const inp = (port: number, width: AccessWidth = 1): number => r.space.readPort(port, width);
const cmos = (index: number): number => {
  out(0x70, index);
  return inp(0x71);
};
const config = (slot: number, fn: number, register: number): number => {
  out(0xcf8, 0x80000000 + (slot << 11) + (fn << 8) + register, 4);
  return inp(0xcfc, 4);
};
const initPics = (): void => {
  for (const [port, value] of [
    [0x20, 0x11],
    [0x21, 0x20],
    [0x21, 4],
    [0x21, 1],
    [0xa0, 0x11],
    [0xa1, 0x28],
    [0xa1, 2],
    [0xa1, 1],
    [0x21, 0],
    [0xa1, 0],
  ] as const)
    out(port, value);
};

describe('Pc', () => {
  it('has the devices of the board at their places', () => {
    expect(config(0, 0, 0)).toBe(0x12378086);
    expect(config(1, 0, 0)).toBe(0x70008086);
    expect(config(1, 3, 0)).toBe(0x71138086);
    expect(r.space.readMmio(0xfed00000, 4)).toBe(platform.HPET_BLOCK_ID);
    expect(r.space.readMmio(0xfee00030, 4) & 0xff).toBe(0x14);
    r.space.writeMmio(0xfec00000, 1, 1);
    expect(r.space.readMmio(0xfec00010, 4)).toBe(0x00170020);
    expect(inp(0xe9)).toBe(0xe9);
    expect([cmos(0x34), cmos(0x35), cmos(0x17) | (cmos(0x18) << 8)]).toEqual([0, 0, 15 * 1024]);
    expect(inp(0x2f8)).toBe(0xff);
  });

  it('carries IRQ0 from the PIT over the 8259 and LINT0 to the processor', () => {
    initPics();
    out(0x43, 0x34);
    out(0x40, 0xa9);
    out(0x40, 0x04);
    while (r.pc.localApic.hasPending()) {
      r.pc.localApic.acknowledge();
      out(0x20, 0x20);
    }
    r.clock.advance(1_010_000);
    expect(r.pc.localApic.hasPending()).toBe(true);
    expect(r.pc.localApic.acknowledge()).toBe(0x20);
  });

  it('carries IRQ0 over I/O APIC input 2 when LINT0 is masked (Linux check_timer)', () => {
    r.space.writeMmio(0xfee000f0, 4, 0x1ff);
    r.space.writeMmio(0xfee00350, 4, 0x10700);
    out(0x21, 0xff);
    out(0xa1, 0xff);
    r.space.writeMmio(0xfec00000, 4, 0x14);
    r.space.writeMmio(0xfec00010, 4, 0x30);
    out(0x43, 0x34);
    out(0x40, 0xa9);
    out(0x40, 0x04);
    r.clock.advance(3_000_000);
    expect(r.pc.localApic.acknowledge()).toBe(0x30);
  });

  it('cuts the PIT off while the HPET replaces it', () => {
    initPics();
    r.space.writeMmio(0xfed00010, 4, 3);
    out(0x43, 0x34);
    out(0x40, 0xa9);
    out(0x40, 0x04);
    while (r.pc.localApic.hasPending()) {
      r.pc.localApic.acknowledge();
      out(0x20, 0x20);
    }
    r.clock.advance(5_000_000);
    expect(r.pc.localApic.hasPending()).toBe(false);
    r.space.writeMmio(0xfed00100, 4, 0x104);
    r.space.writeMmio(0xfed00108, 4, r.space.readMmio(0xfed000f0, 4) + 1000);
    r.clock.advance(20_000);
    expect(r.pc.localApic.acknowledge()).toBe(0x20);
  });

  it('resets by 8042, port 92h and CF9h, and powers off by PM1_CNT', () => {
    out(0x64, 0xfe);
    out(0x92, 0x01);
    out(0xcf9, 0x02);
    out(0xcf9, 0x06);
    expect(r.events).toEqual(['reset', 'reset', 'reset']);
    out(0xcf8, 0x80000b40, 4);
    out(0xcfc, 0x601, 4);
    out(0xcf8, 0x80000b80, 4);
    out(0xcfc, 1);
    expect(inp(0x608, 4)).toBe(0);
    out(0x604, 0x2000, 2);
    expect(r.events.at(-1)).toBe('poweroff');
  });

  it('shows COM1 on IRQ4 and its output at the back end', () => {
    initPics();
    while (r.pc.localApic.hasPending()) {
      r.pc.localApic.acknowledge();
      out(0x20, 0x20);
    }
    out(0x3fc, 0x0b);
    out(0x3f9, 0x02);
    expect(r.pc.localApic.acknowledge()).toBe(0x24);
    for (const c of 'ok\n') out(0x3f8, c.charCodeAt(0));
    r.clock.advance(1e6);
    expect(r.serial.out).toBe('ok\n');
  });

  it('names the boot drives for SeaBIOS, CD first', () => {
    out(0x510, 0x20, 2);
    let text = '';
    for (let byte = inp(0x511); byte !== 0; byte = inp(0x511)) text += String.fromCharCode(byte);
    expect(text).toBe('/pci@i0cf8/ide@1,1/drive@1/disk@0\n/pci@i0cf8/ide@1,1/drive@0/disk@0\n');
  });

  it('saves and restores as a whole', () => {
    initPics();
    out(0x43, 0x34);
    out(0x40, 0xa9);
    out(0x40, 0x04);
    out(0x92, 0x02);
    r.space.writeMmio(0xfee000f0, 4, 0x1ff);
    r.clock.advance(123_456);
    const state = structuredClone(r.pc.save());
    const other = rig();
    other.clock.now = r.clock.now;
    other.pc.restore(state);
    expect(other.pc.save()).toEqual(state);
    expect(other.space.readMmio(0xfee000f0, 4)).toBe(0x1ff);
  });

  it('is brought up by the POST of the built-in BIOS', () => {
    const registers = {} as RegisterAccess;
    const fonts = {
      font8x8: new Uint8Array(2048),
      font8x14: new Uint8Array(3584),
      font8x16: new Uint8Array(4096),
    };
    const bios = new Bios(
      {
        memory: r.space,
        registers,
        bus: r.space,
        disks: [],
        clock: r.clock,
        fonts,
        log: NULL_LOGGER,
      },
      {
        vcpus: 1,
        uuid: '00000000-0000-0000-0000-000000000000',
        biosVersion: '0',
        bootOrder: 'd',
        serialPorts: [1],
        hpet: true,
        cpuVendor: 'GenuineIntel',
        cpuBrand: '',
        cpuSignature: 0,
        cpuFeatures: 0,
      },
    );
    r.pc.mapRom(bios.rom.bytes);
    expect(r.space.readMmio(0xfffffff0, 1)).toBe(bios.rom.bytes[0x1fff0]);
    bios.post();
    // Shadowed: RAM answers at F0000h and cannot be written by the guest.
    const before = r.space.readMmio(0xffff0, 1);
    r.space.writeMmio(0xffff0, 1, before ^ 0xff);
    expect(r.space.readMmio(0xffff0, 1)).toBe(before);
    expect(r.space.readU8(0xffff0)).toBe(bios.rom.bytes[0x1fff0]);
    expect(inp(0x608, 4)).toBe(Math.floor((r.clock.now * 3.579545) / 1000));
    expect(inp(0x64) & 1).toBe(0);
    expect(config(1, 0, 0x60)).toBe(0x0b0b0a0a);
    expect(inp(0x21)).toBe(0xf8);
  });
});
