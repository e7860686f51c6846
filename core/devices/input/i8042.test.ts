import { beforeEach, describe, expect, it } from 'vitest';
import { deviceContract } from '../../../test/contract/device-contract';
import { RecordingLine } from '../../../test/support/recording-line';
import { I8042 } from './i8042';
import { Ps2Keyboard } from './ps2-keyboard';
import { Ps2Mouse } from './ps2-mouse';

function rig() {
  const events: string[] = [];
  const keyboard = new Ps2Keyboard({ onLeds: (leds) => events.push(`leds ${leds}`) });
  const mouse = new Ps2Mouse();
  const irq1 = new RecordingLine();
  const irq12 = new RecordingLine();
  const kbc = new I8042({
    keyboard,
    mouse,
    keyboardIrq: irq1,
    mouseIrq: irq12,
    onA20: (on) => events.push(`a20 ${on}`),
    onReset: () => events.push('reset'),
  });
  return { events, keyboard, mouse, irq1, irq12, kbc };
}

let r: ReturnType<typeof rig>;
beforeEach(() => {
  r = rig();
});
const command = (value: number): void => r.kbc.command.writePort(0, 1, value);
const data = (value: number): void => r.kbc.data.writePort(0, 1, value);
const status = (): number => r.kbc.command.readPort(0, 1);
const read = (): number => r.kbc.data.readPort(0, 1);
const drain = (): number[] => {
  const bytes: number[] = [];
  while (status() & 1) bytes.push(read());
  return bytes;
};
const toMouse = (...values: number[]): number[] =>
  values.flatMap((value) => {
    command(0xd4);
    data(value);
    return drain();
  });

describe('I8042', () => {
  it('answers the self test, interface tests and the command byte', () => {
    command(0xaa);
    expect(status() & 0x05).toBe(0x05);
    expect(drain()).toEqual([0x55]);
    command(0xab);
    command(0xa9);
    expect(drain()).toEqual([0, 0]);
    command(0x60);
    data(0x47);
    command(0x20);
    expect(drain()).toEqual([0x47]);
  });

  it('loops a byte through the auxiliary output buffer (Linux i8042_check_aux)', () => {
    command(0xd3);
    data(0x5a);
    expect(status() & 0x21).toBe(0x21);
    expect(r.irq12.level).toBe(true);
    expect(read()).toBe(0x5a);
    command(0xa7);
    command(0x20);
    expect(read() & 0x20).toBe(0x20);
    command(0xa8);
    command(0x20);
    expect(read() & 0x20).toBe(0);
  });

  it('translates set 2 to set 1 and interrupts for every byte', () => {
    r.keyboard.key(0x1e, true);
    r.keyboard.key(0x1e, false);
    r.keyboard.key(0xe04b, true);
    r.keyboard.key(0xe04b, false);
    expect(drain()).toEqual([0x1e, 0x9e, 0xe0, 0x4b, 0xe0, 0xcb]);
    expect(r.irq1.edges).toBe(6);
    r.keyboard.key(0xe11d45, true);
    expect(drain()).toEqual([0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5]);
  });

  it('round-trips every set 1 code through the keyboard and the translation', () => {
    for (let code = 1; code <= 0x58; code++) {
      if (code === 0x55) continue;
      r.keyboard.key(code, true);
      r.keyboard.key(code, false);
      expect(drain()).toEqual([code, code | 0x80]);
    }
  });

  it('passes raw set 2, set 1 and set 3 codes without translation', () => {
    command(0x60);
    data(0x05);
    r.keyboard.key(0x1e, true);
    r.keyboard.key(0x1e, false);
    expect(drain()).toEqual([0x1c, 0xf0, 0x1c]);
    data(0xf0);
    data(0x03);
    expect(drain()).toEqual([0xfa, 0xfa]);
    r.keyboard.key(0xe048, true);
    r.keyboard.key(0xe048, false);
    expect(drain()).toEqual([0x63, 0xf0, 0x63]);
  });

  it('identifies and resets the keyboard (Linux atkbd_probe)', () => {
    data(0xf2);
    expect(drain()).toEqual([0xfa, 0xab, 0x41]);
    data(0xff);
    expect(drain()).toEqual([0xfa, 0xaa]);
    data(0xed);
    data(0x02);
    expect(drain()).toEqual([0xfa, 0xfa]);
    expect(r.events).toContain('leds 2');
    data(0x42);
    expect(drain()).toEqual([0xfe]);
  });

  it('holds keyboard bytes while its clock is disabled', () => {
    command(0xad);
    r.keyboard.key(0x10, true);
    expect(status() & 1).toBe(0);
    command(0xae);
    expect(drain()).toEqual([0x10]);
  });

  it('overruns instead of growing', () => {
    for (let i = 0; i < 1000; i++) r.keyboard.key(0x10, true);
    const bytes = drain();
    expect(bytes.length).toBeLessThan(80);
    expect(bytes.at(-1)).toBe(0xff);
    r.keyboard.key(0x11, true);
    expect(drain()).toEqual([0x11]);
  });

  it('moves A20 and pulses reset', () => {
    command(0xd1);
    data(0xdd);
    command(0xd1);
    data(0xdf);
    command(0xfe);
    expect(r.events).toEqual(['a20 false', 'a20 true', 'reset']);
  });

  it('becomes a wheel mouse by the 200-100-80 knock and reports motion', () => {
    expect(toMouse(0xff)).toEqual([0xfa, 0xaa, 0x00]);
    expect(toMouse(0xf3, 200, 0xf3, 100, 0xf3, 80, 0xf2)).toEqual([
      0xfa, 0xfa, 0xfa, 0xfa, 0xfa, 0xfa, 0xfa, 3,
    ]);
    toMouse(0xf4);
    r.mouse.move(5, 3, 1, 1);
    expect(drain()).toEqual([0x29, 5, 0xfd, 0xff]);
    r.mouse.move(-300, 0, 0, 0);
    expect(drain()).toEqual([0x18, 0x01, 0, 0, 0x18, 0xd3, 0, 0]);
  });

  it('keeps quiet until reporting is enabled, and answers remote reads', () => {
    r.mouse.move(1, 1, 0, 0);
    expect(drain()).toEqual([]);
    toMouse(0xf0);
    toMouse(0xf4);
    r.mouse.move(2, 0, 0, 4);
    expect(drain()).toEqual([]);
    expect(toMouse(0xeb)).toEqual([0xfa, 0x0c, 2, 0]);
    expect(toMouse(0xe9)).toEqual([0xfa, 0x62, 2, 100]);
  });
});

deviceContract('I8042', () => {
  const { kbc } = rig();
  return {
    device: kbc,
    ports: [
      { io: kbc.data, count: 1 },
      { io: kbc.command, count: 1 },
    ],
  };
});
