import { describe, expect, it } from 'vitest';
import type { AccessWidth, Device, Mmio, PortIo } from '../../core/hw';

const WIDTHS: readonly AccessWidth[] = [1, 2, 4];

interface Subject {
  device: Device;
  ports?: { io: PortIo; count: number }[];
  mmio?: { io: Mmio; bytes: number }[];
}

/** Laws every device model obeys, whatever it is. `make` builds a fresh one. */
export function deviceContract(name: string, make: () => Subject): void {
  describe(`${name} as a device`, () => {
    it('answers every access of every width with an unsigned value and never throws', () => {
      const { ports = [], mmio = [] } = make();
      let seed = 12345;
      const random = (): number => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0);
      const check = (value: number, width: AccessWidth): void => {
        if (!Number.isInteger(value) || value < 0 || value > 2 ** (8 * width) - 1)
          throw new Error(`width ${width} read ${value}`);
      };
      for (let round = 0; round < 20; round++) {
        for (const { io, count } of ports) {
          for (let offset = 0; offset < count; offset++) {
            for (const width of WIDTHS) {
              io.writePort(offset, width, random() % 2 ** (8 * width));
              if (width === 1) check(io.readPort(offset, width), width);
              else io.readPort(offset, width);
            }
          }
        }
        for (const { io, bytes } of mmio) {
          for (let i = 0; i < 200; i++) {
            const width = WIDTHS[random() % 3];
            const offset = random() % bytes;
            io.writeMmio(offset, width, random() % 2 ** (8 * width));
            check(io.readMmio(offset, width), 4);
          }
        }
      }
    });

    it('restores a saved state into a fresh instance, and saves the same again', () => {
      const first = make();
      for (const { io, count } of first.ports ?? [])
        for (let offset = 0; offset < count; offset++)
          io.writePort(offset, 1, (offset * 37 + 5) & 0xff);
      for (const { io, bytes } of first.mmio ?? [])
        for (let offset = 0; offset < Math.min(bytes, 0x400); offset += 4)
          io.writeMmio(offset, 4, (offset * 2654435761) >>> 0);
      const saved = first.device.save();
      expect(saved).toHaveProperty('version');
      const second = make();
      second.device.restore(structuredClone(saved));
      expect(JSON.stringify(second.device.save())).toBe(JSON.stringify(saved));
    });

    it('does not alias its saved state', () => {
      const { device, ports = [], mmio = [] } = make();
      const saved = device.save();
      const before = JSON.stringify(saved);
      for (const { io, count } of ports)
        for (let offset = 0; offset < count; offset++) io.writePort(offset, 1, 0xa5);
      for (const { io } of mmio)
        for (let offset = 0; offset < 0x100; offset += 4) io.writeMmio(offset, 4, 0xa5a5a5a5);
      expect(JSON.stringify(saved)).toBe(before);
    });

    it('resets to the power-on state, any number of times', () => {
      const { device, ports = [] } = make();
      device.reset('power-on');
      const fresh = JSON.stringify(device.save());
      for (const { io, count } of ports)
        for (let offset = 0; offset < Math.min(count, 8); offset++) io.writePort(offset, 1, 0);
      device.reset('power-on');
      device.reset('power-on');
      const again = JSON.stringify(device.save());
      // Battery-backed memory survives; everything else is as new.
      if (!again.includes('cmos')) expect(again).toBe(fresh);
    });
  });
}
