import { PNG } from 'pngjs';
import { describe, expect, it } from 'vitest';
import { Screen } from './screen';
import type { Rectangle } from './worker-messages';

const WIDTH = 4;
const HEIGHT = 3;

function setUp(): {
  screen: Screen;
  memory: Uint8Array;
  frame: (...dirty: Rectangle[]) => boolean;
} {
  const framebuffer = new SharedArrayBuffer(WIDTH * HEIGHT * 4);
  const screen = new Screen(framebuffer);
  const frame = (...dirty: Rectangle[]): boolean =>
    screen.apply({ type: 'frame', id: 0, width: WIDTH, height: HEIGHT, text: null, dirty });
  return { screen, memory: new Uint8Array(framebuffer), frame };
}

function pixel(screen: Screen, x: number, y: number): number[] {
  const { data, width } = PNG.sync.read(Buffer.from(screen.screenshot().png, 'base64'));
  return [...data.subarray((y * width + x) * 4, (y * width + x) * 4 + 4)];
}

describe('Screen', () => {
  it('is a picture of one pixel before the first frame', () => {
    expect(PNG.sync.read(Buffer.from(setUp().screen.screenshot().png, 'base64'))).toMatchObject({
      width: 1,
      height: 1,
    });
  });

  it('shows what frames changed, as red, green, blue', () => {
    const { screen, memory, frame } = setUp();
    memory.set([10, 20, 30, 0], (1 * WIDTH + 2) * 4);
    expect(frame()).toBe(true);
    expect(pixel(screen, 2, 1)).toEqual([30, 20, 10, 255]);
    memory.set([1, 2, 3, 0], 0);
    expect(pixel(screen, 0, 0), 'nothing said that it changed').toEqual([0, 0, 0, 255]);
    expect(frame([0, 0, 1, 1])).toBe(false);
    expect(pixel(screen, 0, 0)).toEqual([3, 2, 1, 255]);
    expect(pixel(screen, 2, 1)).toEqual([30, 20, 10, 255]);
  });

  it('is encoded again only when a pixel differs', () => {
    const { screen, memory, frame } = setUp();
    frame();
    const { png } = screen.screenshot();
    frame([0, 0, WIDTH, HEIGHT]);
    expect(screen.screenshot().png).toBe(png);
    memory[WIDTH * HEIGHT * 4 - 2] = 1;
    frame([0, 0, WIDTH, HEIGHT]);
    expect(screen.screenshot().png).not.toBe(png);
  });

  it('ignores what lies outside of the picture', () => {
    const { screen, memory, frame } = setUp();
    frame();
    memory.fill(9);
    frame([3, 2, 100, 100], [50, 50, 1, 1]);
    expect(pixel(screen, 3, 2)).toEqual([9, 9, 9, 255]);
    expect(pixel(screen, 2, 2)).toEqual([0, 0, 0, 255]);
  });
});
