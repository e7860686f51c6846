import { beforeEach, describe, expect, it } from 'vitest';
import { deviceContract } from '../../../test/contract/device-contract';
import { MockClock } from '../../../test/support/mock-clock';
import { RecordingLine } from '../../../test/support/recording-line';
import { Piix4Pm } from './piix4-pm';

function rig() {
  const clock = new MockClock();
  const sci = new RecordingLine();
  const events: string[] = [];
  const pm = new Piix4Pm({
    clock,
    sci,
    onPowerOff: () => events.push('off'),
    mapPorts: (what, base) => events.push(`${what} ${base?.toString(16) ?? 'none'}`),
  });
  return { clock, sci, events, pm };
}

let r: ReturnType<typeof rig>;
beforeEach(() => {
  r = rig();
});

describe('Piix4Pm', () => {
  it('maps its registers at PMBA when PMREGMISC enables them', () => {
    r.pm.config.set([0x01, 0x06], 0x40);
    r.pm.onConfigWrite(0x40, 4);
    r.pm.config[0x80] = 1;
    r.pm.onConfigWrite(0x80, 1);
    expect(r.events).toEqual(['pm none', 'smbus none', 'pm 600', 'smbus none']);
  });

  it('counts 24 bits at 3.579545 MHz, whole in a dword read', () => {
    r.clock.advance(1e9);
    expect(r.pm.pm.readPort(8, 4)).toBe(3_579_545);
    r.clock.advance(4e9);
    expect(r.pm.pm.readPort(8, 4)).toBe((5 * 3_579_545) % 0x1000000);
  });

  it('switches SCI_EN by the APM port and answers the power button by SCI', () => {
    expect(r.pm.pressPowerButton()).toBe(false);
    expect(r.sci.level).toBe(false);
    r.pm.pm.writePort(0, 2, 0xffff);
    r.pm.apm.writePort(0, 1, 0xf1);
    expect(r.pm.pm.readPort(4, 2) & 1).toBe(1);
    r.pm.pm.writePort(2, 2, 0x0100);
    expect(r.pm.pressPowerButton()).toBe(true);
    expect(r.sci.level).toBe(true);
    expect(r.pm.pm.readPort(0, 2) & 0x100).toBe(0x100);
    r.pm.pm.writePort(0, 2, 0x0100);
    expect(r.sci.level).toBe(false);
    r.pm.apm.writePort(0, 1, 0xf0);
    expect(r.pm.pm.readPort(4, 2) & 1).toBe(0);
  });

  it('powers off on SLP_EN with sleep type 0 only', () => {
    r.pm.pm.writePort(4, 2, (5 << 10) | 0x2000);
    expect(r.events).toEqual([]);
    r.pm.pm.writePort(4, 2, 0x2001);
    expect(r.events).toEqual(['off']);
    expect(r.pm.pm.readPort(4, 2) & 0x2000).toBe(0);
  });

  it('ends every SMBus transaction with a device error (Linux i2c-piix4 piix4_transaction)', () => {
    r.pm.smbus.writePort(2, 1, 0x44);
    expect([r.pm.smbus.readPort(0, 1), r.pm.smbus.readPort(2, 1)]).toEqual([0x04, 0x04]);
    r.pm.smbus.writePort(0, 1, 0x04);
    expect(r.pm.smbus.readPort(0, 1)).toBe(0);
  });

  it('sets TMR_STS when bit 23 of the timer changes and interrupts when enabled', () => {
    r.pm.apm.writePort(0, 1, 0xf1);
    r.pm.pm.writePort(2, 2, 0x0001);
    r.clock.advance(2.3e9);
    expect(r.sci.level).toBe(false);
    r.clock.advance(0.1e9);
    expect(r.sci.level).toBe(true);
    r.pm.pm.writePort(0, 2, 1);
    expect(r.sci.level).toBe(false);
    r.clock.advance(2.4e9);
    expect(r.sci.level).toBe(true);
  });
});

deviceContract('Piix4Pm', () => {
  const { pm } = rig();
  return {
    device: pm,
    ports: [
      { io: pm.pm, count: 64 },
      { io: pm.gpe0, count: 4 },
      { io: pm.apm, count: 2 },
    ],
  };
});
