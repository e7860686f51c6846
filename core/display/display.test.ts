import { describe, expect, it } from 'vitest';
import { DirtyRegion } from './dirty-region';
import { Framebuffer, FRAMEBUFFER_BYTES } from './framebuffer';
import { Keymap } from './keymap';
import { KeyTranslator } from './key-translator';

describe('DirtyRegion', () => {
  it('joins what touches in full, keeps apart what does not', () => {
    const region = new DirtyRegion();
    for (let y = 0; y < 10; y++) region.add([5, y, 20, 1]);
    region.add([100, 100, 5, 5]);
    region.add([101, 101, 2, 2]);
    expect(region.take(640, 480)).toEqual([
      [5, 0, 20, 10],
      [100, 100, 5, 5],
    ]);
    expect(region.isEmpty).toBe(true);
  });

  it('clips, and drops what is outside', () => {
    const region = new DirtyRegion();
    region.add([630, 470, 100, 100]);
    region.add([700, 0, 10, 10]);
    region.add([0, 0, 0, 10]);
    expect(region.take(640, 480)).toEqual([[630, 470, 10, 10]]);
  });

  it('never holds many rectangles, nor loses a pixel', () => {
    const region = new DirtyRegion();
    let seed = 7;
    const random = (n: number): number => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) % n;
    const points: [number, number][] = [];
    for (let i = 0; i < 500; i++) {
      const [x, y] = [random(640), random(480)];
      points.push([x, y]);
      region.add([x, y, 1, 1]);
    }
    const rectangles = region.take(640, 480);
    expect(rectangles.length).toBeLessThanOrEqual(32);
    for (const [px, py] of points)
      expect(
        rectangles.some(([x, y, w, h]) => px >= x && px < x + w && py >= y && py < y + h),
      ).toBe(true);
  });
});

describe('Framebuffer', () => {
  it('keeps size, dirty rectangles and text, and counts changes', () => {
    const buffer = new Uint8Array(new SharedArrayBuffer(FRAMEBUFFER_BYTES));
    const framebuffer = new Framebuffer(buffer);
    const pixels = framebuffer.resize(320, 200);
    expect(pixels.length).toBe(320 * 200 * 4);
    expect(framebuffer.takeDirty()).toEqual([[0, 0, 320, 200]]);
    framebuffer.dirty(10, 10, 1000, 1);
    expect(framebuffer.takeDirty()).toEqual([[10, 10, 310, 1]]);
    framebuffer.text(['boot:'], { x: 5, y: 0 });
    expect(framebuffer.rows).toEqual(['boot:']);
    expect([framebuffer.sizeGeneration, framebuffer.generation]).toEqual([1, 3]);
    expect(framebuffer.resize(100_000, 100_000).length).toBe(FRAMEBUFFER_BYTES);
  });
});

describe('Keymap', () => {
  it.each([
    ['en-us', 'y', 0x15, []],
    ['en-us', '@', 0x03, [0x2a]],
    ['de', 'y', 0x2c, []],
    ['de', '@', 0x10, [0xe038]],
    ['de', 'Ä', 0x28, [0x2a]],
    ['de', '€', 0x12, [0xe038]],
    ['en-gb', '£', 0x04, [0x2a]],
    ['en-gb', '"', 0x03, [0x2a]],
    ['fr', 'a', 0x10, []],
    ['fr', '1', 0x02, [0x2a]],
    ['fr', '\\', 0x09, [0xe038]],
    ['fr', 'é', 0x03, []],
    ['de', '\n', 0x1c, []],
    ['de', ' ', 0x39, []],
  ] as const)('%s: %s', (layout, character, scancode, modifiers) => {
    expect(new Keymap(layout).stroke(character)).toEqual({ scancode, modifiers });
  });

  it('types text, with releases as negative codes, and says what it cannot', () => {
    const { scancodes, skipped } = new Keymap('en-us').type('aB\r\n漢');
    expect(scancodes).toEqual([0x1e, -0x1e, 0x2a, 0x30, -0x30, -0x2a, 0x1c, -0x1c]);
    expect(skipped).toEqual(['漢']);
  });

  it('types printable ASCII in every layout it is for', () => {
    const ascii = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).join('');
    for (const layout of ['en-us', 'en-gb', 'de', 'fr'] as const)
      expect(new Keymap(layout).type(ascii).skipped, layout).toEqual([]);
  });

  it('types accented letters with dead keys where the layout has them', () => {
    // en-gb: AltGr+] tilde... dead_acute is AltGr+', then the letter.
    expect(new Keymap('en-gb').type('ń').scancodes).toEqual([
      0xe038, 0x27, -0x27, -0xe038, 0x31, -0x31,
    ]);
  });
});

describe('KeyTranslator', () => {
  const make = (layout: 'en-us' | 'de' | 'fr') => {
    const out: number[] = [];
    const translator = new KeyTranslator(new Keymap(layout), (scancode, pressed) =>
      out.push(pressed ? scancode : -scancode),
    );
    return { translator, out };
  };

  it('leaves modifiers alone when both keyboards agree', () => {
    const { translator, out } = make('en-us');
    translator.keysym(0xffe1, true);
    translator.keysym(0x41, true);
    translator.keysym(0x41, false);
    translator.keysym(0xffe1, false);
    expect(out).toEqual([0x2a, 0x1e, -0x1e, -0x2a]);
  });

  it('makes a character of another layout with its own modifiers', () => {
    const { translator, out } = make('de');
    // '@' of a US keyboard comes with Shift; German wants AltGr+Q.
    translator.keysym(0xffe1, true);
    translator.keysym(0x40, true);
    translator.keysym(0x40, false);
    expect(out).toEqual([0x2a, -0x2a, 0xe038, 0x10, -0xe038, 0x2a, -0x10]);
  });

  it('does not touch modifiers of shortcuts', () => {
    const { translator, out } = make('fr');
    translator.keysym(0xffe3, true);
    translator.keysym(0x63, true);
    translator.keysym(0x41, true);
    expect(out).toEqual([0x1d, 0x2e, 0x10]);
  });

  it('takes Caps Lock into account', () => {
    const { translator, out } = make('en-us');
    translator.keysym(0xffe5, true);
    translator.keysym(0xffe5, false);
    out.length = 0;
    translator.keysym(0x41, true);
    translator.keysym(0x41, false);
    translator.keysym(0x31, true);
    expect(out).toEqual([0x1e, -0x1e, 0x02]);
  });

  it('releases the key that was pressed, whatever the symbol became', () => {
    const { translator, out } = make('en-us');
    translator.keysym(0x61, true);
    translator.keysym(0xffe1, true);
    translator.keysym(0x41, false);
    expect(out).toEqual([0x1e, 0x2a, -0x1e]);
    translator.keysym(0x41, false);
    translator.scancode(0x30, false);
    expect(out).toHaveLength(3);
  });

  it('holds no more than 64 keys', () => {
    const { translator, out } = make('en-us');
    for (let code = 1; code < 128; code++) translator.scancode(code, true);
    expect(out).toHaveLength(64);
    translator.releaseAll();
    expect(out).toHaveLength(128);
  });
});
