/**
 * PCI configuration: access by mechanism 1, resource assignment at POST, INT 1Ah AH=B1h.
 * Specs: PCI Local Bus 2.1 sections 3.7.4 and 6.2; PCI BIOS 2.1.
 * Missing: bridges (the board has one bus), option ROM execution, special cycles.
 */
import type { AccessWidth, SystemBus } from '../../../hw';
import * as platform from '../../platform';
import type { ServiceCall } from '../call';

const CONFIG_ADDRESS = 0xcf8;
const CONFIG_DATA = 0xcfc;
const VENDOR_ID = 0x00;
const COMMAND = 0x04;
const CLASS_REVISION = 0x08;
const HEADER_TYPE = 0x0e;
const BAR0 = 0x10;
const ROM_BAR = 0x30;
const INTERRUPT_LINE = 0x3c;
const INTERRUPT_PIN = 0x3d;
const COMMAND_IO = 1;
const COMMAND_MEMORY = 2;
const COMMAND_MASTER = 4;
const BAR_IO = 1;
const BAR_64BIT = 4;
export const CLASS_VGA = 0x0300;
export const PIIX4_PM = 0x7113;

export interface PciDevice {
  readonly slot: number;
  readonly fn: number;
  readonly vendor: number;
  readonly device: number;
  /** Base class, subclass, programming interface. */
  readonly classCode: number;
}

export class PciConfig {
  constructor(private readonly bus: SystemBus) {}

  private select(slot: number, fn: number, register: number): void {
    this.bus.writePort(
      CONFIG_ADDRESS,
      4,
      (0x8000_0000 | (slot << 11) | (fn << 8) | (register & 0xfc)) >>> 0,
    );
  }

  read(slot: number, fn: number, register: number, width: AccessWidth): number {
    this.select(slot, fn, register);
    return this.bus.readPort(CONFIG_DATA + (register & 3), width) >>> 0;
  }

  write(slot: number, fn: number, register: number, width: AccessWidth, value: number): void {
    this.select(slot, fn, register);
    this.bus.writePort(CONFIG_DATA + (register & 3), width, value >>> 0);
  }

  /** All functions of bus 0. */
  scan(): readonly PciDevice[] {
    const found: PciDevice[] = [];
    for (let slot = 0; slot < 32; slot++) {
      for (let fn = 0; fn < 8; fn++) {
        const id = this.read(slot, fn, VENDOR_ID, 4);
        if ((id & 0xffff) === 0xffff || id === 0) {
          if (fn === 0) break;
          continue;
        }
        found.push({
          slot,
          fn,
          vendor: id & 0xffff,
          device: id >>> 16,
          classCode: this.read(slot, fn, CLASS_REVISION, 4) >>> 8,
        });
        if (fn === 0 && (this.read(slot, fn, HEADER_TYPE, 1) & 0x80) === 0) break;
      }
    }
    return found;
  }

  /** GPA in a memory BAR, 0 when it is not one. */
  memoryBar(device: PciDevice, index: number): number {
    const value = this.read(device.slot, device.fn, BAR0 + index * 4, 4);
    return (value & BAR_IO) !== 0 ? 0 : (value & 0xffff_fff0) >>> 0;
  }
}

interface BarRequest {
  readonly device: PciDevice;
  readonly register: number;
  readonly size: number;
  readonly io: boolean;
  readonly wide: boolean;
}

/** Finds out the sizes of a function's BARs by writing ones (PCI 2.1, 6.2.5.1). Decoding is off meanwhile. */
function barsOf(pci: PciConfig, device: PciDevice): readonly BarRequest[] {
  const { slot, fn } = device;
  const requests: BarRequest[] = [];
  const command = pci.read(slot, fn, COMMAND, 2);
  pci.write(slot, fn, COMMAND, 2, command & ~(COMMAND_IO | COMMAND_MEMORY));
  for (let i = 0; i < 6; i++) {
    const register = BAR0 + i * 4;
    const old = pci.read(slot, fn, register, 4);
    pci.write(slot, fn, register, 4, 0xffff_ffff);
    const mask = pci.read(slot, fn, register, 4);
    pci.write(slot, fn, register, 4, old);
    if (mask === 0 || mask === 0xffff_ffff) continue;
    const io = (mask & BAR_IO) !== 0;
    const writable = io ? (mask & 0xffff_fffc) | 0xffff_0000 : mask & 0xffff_fff0;
    const size = (~writable + 1) >>> 0;
    const wide = !io && (mask & 6) === BAR_64BIT;
    if (size !== 0) requests.push({ device, register, size, io, wide });
    if (wide) i++;
  }
  pci.write(slot, fn, COMMAND, 2, command);
  return requests;
}

/**
 * Gives every BAR an address, largest first, routes the PIRQ links, writes interrupt lines and switches decoding on.
 * Done by POST, and by the board itself before a direct boot.
 */
export function assignPciResources(pci: PciConfig, ramBytes: number): readonly PciDevice[] {
  const devices = pci.scan();
  const requests = devices
    .filter((d) => (pci.read(d.slot, d.fn, HEADER_TYPE, 1) & 0x7f) === 0)
    .flatMap((d) => barsOf(pci, d));
  requests.sort((a, b) => b.size - a.size);
  // Large memory BARs go high: framebuffers where guests expect them, below the I/O APIC.
  let memory = platform.PCI_MEMORY_END;
  let io = platform.PCI_IO_BASE;
  const floor = Math.max(platform.PCI_MEMORY_BASE, ramBytes);
  for (const { device, register, size, io: isIo, wide } of requests) {
    const { slot, fn } = device;
    let address: number;
    if (isIo) {
      address = Math.ceil(io / size) * size;
      if (address + size > platform.PCI_IO_END) continue;
      io = address + size;
    } else {
      const granule = Math.max(size, 0x1000);
      address = Math.floor((memory - granule) / granule) * granule;
      if (address < floor) continue;
      memory = address;
    }
    pci.write(slot, fn, register, 4, address);
    if (wide) pci.write(slot, fn, register + 4, 4, 0);
    const command = pci.read(slot, fn, COMMAND, 2);
    pci.write(
      slot,
      fn,
      COMMAND,
      2,
      command | (isIo ? COMMAND_IO : COMMAND_MEMORY) | COMMAND_MASTER,
    );
  }

  platform.PIRQ_DEFAULT_IRQS.forEach((line, i) =>
    pci.write(platform.PIIX3_ISA_SLOT, 0, platform.PIIX3_PIRQRC + i, 1, line),
  );
  for (const { slot, fn, vendor, device, classCode } of devices) {
    pci.write(slot, fn, ROM_BAR, 4, 0);
    if (classCode >> 8 === CLASS_VGA)
      pci.write(slot, fn, COMMAND, 2, pci.read(slot, fn, COMMAND, 2) | COMMAND_IO | COMMAND_MEMORY);
    if (vendor === 0x8086 && device === PIIX4_PM) {
      pci.write(slot, fn, INTERRUPT_LINE, 1, platform.SCI_IRQ);
      continue;
    }
    const pin = pci.read(slot, fn, INTERRUPT_PIN, 1);
    if (pin >= 1 && pin <= 4)
      pci.write(
        slot,
        fn,
        INTERRUPT_LINE,
        1,
        platform.PIRQ_DEFAULT_IRQS[platform.pirqOf(slot, pin - 1)],
      );
  }
  return devices;
}

const SUCCESSFUL = 0x00;
const UNSUPPORTED = 0x81;
const BAD_VENDOR = 0x83;
const NOT_FOUND = 0x86;
const BAD_REGISTER = 0x87;
const SET_FAILED = 0x88;
const BUFFER_TOO_SMALL = 0x89;

/** INT 1Ah AH=B1h. */
export function pciBios(call: ServiceCall, pci: PciConfig, routingTable: () => Uint8Array): void {
  const finish = (status: number): void => {
    call.ah = status;
    call.carry = status !== SUCCESSFUL;
  };
  const find = (matches: (device: PciDevice) => boolean): void => {
    const device = pci.scan().filter(matches)[call.si];
    if (device) call.bx = (device.slot << 3) | device.fn;
    finish(device ? SUCCESSFUL : NOT_FOUND);
  };
  const [slot, fn] = [call.bl >> 3, call.bl & 7];
  const access = (width: AccessWidth, write: boolean): void => {
    const register = call.di;
    if (register > 0xff || register % width !== 0) return finish(BAD_REGISTER);
    const absent = call.bh !== 0;
    if (write) {
      if (!absent)
        pci.write(
          slot,
          fn,
          register,
          width,
          width === 1 ? call.cl : width === 2 ? call.cx : call.registers.get32('rcx'),
        );
    } else {
      const value = absent ? 0xffff_ffff : pci.read(slot, fn, register, width);
      if (width === 1) call.cl = value;
      else if (width === 2) call.cx = value;
      else call.registers.set32('rcx', value);
    }
    finish(SUCCESSFUL);
  };
  switch (call.al & 0x7f) {
    case 0x01:
      call.registers.set32('rdx', 0x2049_4350);
      call.bx = 0x0210;
      call.cl = 0;
      call.al = 0x01;
      return finish(SUCCESSFUL);
    case 0x02: {
      const [vendor, device] = [call.dx, call.cx];
      if (vendor === 0xffff) return finish(BAD_VENDOR);
      return find((d) => d.vendor === vendor && d.device === device);
    }
    case 0x03: {
      const classCode = call.registers.get32('rcx') & 0xff_ffff;
      return find((d) => d.classCode === classCode);
    }
    case 0x08:
      return access(1, false);
    case 0x09:
      return access(2, false);
    case 0x0a:
      return access(4, false);
    case 0x0b:
      return access(1, true);
    case 0x0c:
      return access(2, true);
    case 0x0d:
      return access(4, true);
    case 0x0e: {
      // ES:DI: buffer size, far pointer to the buffer. The routing entries are those of $PIR without its header.
      const at = call.linear('es', call.di);
      const entries = routingTable().subarray(32);
      const room = call.memory.readU16(at);
      call.memory.writeU16(at, entries.length);
      if (room < entries.length) return finish(BUFFER_TOO_SMALL);
      call.memory.write(call.memory.readU16(at + 4) * 16 + call.memory.readU16(at + 2), entries);
      call.bx = platform.PIRQ_DEFAULT_IRQS.reduce<number>((bits, line) => bits | (1 << line), 0);
      return finish(SUCCESSFUL);
    }
    case 0x0f: {
      const link = platform.pirqOf(slot, (call.cl - 0x0a) & 3);
      const possible: readonly number[] = platform.PIRQ_POSSIBLE_IRQS;
      if (!possible.includes(call.ch)) return finish(SET_FAILED);
      pci.write(platform.PIIX3_ISA_SLOT, 0, platform.PIIX3_PIRQRC + link, 1, call.ch);
      return finish(SUCCESSFUL);
    }
    default:
      return finish(UNSUPPORTED);
  }
}
