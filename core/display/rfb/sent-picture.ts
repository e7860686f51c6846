/**
 * What a client has on its screen, so that a picture that moved up or down is told as a move (CopyRect, RFC 6143
 * section 7.7.2): a console that scrolls then costs its new lines only.
 */
import type { Rectangle } from '../dirty-region';
import type { RfbScreen } from './tile';

/** Smaller areas are not worth the search, nor smaller moves the telling. */
const MIN_WIDTH = 64;
const MIN_ROWS = 32;
/** The fourth byte of a pixel means nothing. */
const COLOR_MASK = 0xffffff;

/** Rows of the client's picture that are elsewhere on the screen now. */
export interface Move {
  /** Where they are now. */
  readonly to: Rectangle;
  readonly fromY: number;
}

function words({ pixels }: RfbScreen): Uint32Array | undefined {
  if (pixels.byteOffset % 4 !== 0) return undefined;
  return new Uint32Array(pixels.buffer, pixels.byteOffset, pixels.length >> 2);
}

/** FNV-1a over whole pixels. */
function rowHash(picture: Uint32Array, from: number, width: number): number {
  let hash = 0x811c9dc5;
  for (let i = from; i < from + width; i++)
    hash = Math.imul(hash ^ (picture[i] & COLOR_MASK), 0x01000193);
  return hash;
}

export class SentPicture {
  private readonly sent: Uint32Array;

  /** Nothing is known of the client's picture until `note` was called for all of it. */
  constructor(
    readonly width: number,
    readonly height: number,
  ) {
    this.sent = new Uint32Array(width * height);
  }

  /** The client gets this part of the screen as it is now. */
  note(screen: RfbScreen, [x, y, width, height]: Rectangle): void {
    const now = words(screen);
    if (!now) return;
    for (let row = y; row < y + height; row++) {
      const from = row * this.width + x;
      this.sent.set(now.subarray(from, from + width), from);
    }
  }

  /** The largest part of `area` that the client has already, higher or lower; its picture is then held to be moved. */
  takeMove(screen: RfbScreen, area: Rectangle): Move | undefined {
    const [x, y, width, height] = area;
    const now = words(screen);
    if (!now || width < MIN_WIDTH || height < MIN_ROWS) return undefined;
    const distance = this.likelyDistance(now, area);
    if (distance === undefined) return undefined;
    let best = { top: 0, rows: 0 };
    let top = y;
    for (let row = y; row <= y + height; row++) {
      const source = row + distance;
      const inside = row < y + height && source >= y && source < y + height;
      if (inside && this.alike(now, row, source, x, width)) continue;
      if (row - top > best.rows) best = { top, rows: row - top };
      top = row + 1;
    }
    if (best.rows < MIN_ROWS) return undefined;
    const to: Rectangle = [x, best.top, width, best.rows];
    this.note(screen, to);
    return { to, fromY: best.top + distance };
  }

  private alike(now: Uint32Array, row: number, source: number, x: number, width: number): boolean {
    let a = row * this.width + x;
    let b = source * this.width + x;
    for (let left = width; left > 0; left--, a++, b++)
      if (((now[a] ^ this.sent[b]) & COLOR_MASK) !== 0) return false;
    return true;
  }

  /** How far most rows that occur once in the client's picture have moved; undefined when they have not. */
  private likelyDistance(now: Uint32Array, [x, y, width, height]: Rectangle): number | undefined {
    const rows = new Map<number, number>();
    for (let row = y; row < y + height; row++) {
      const hash = rowHash(this.sent, row * this.width + x, width);
      rows.set(hash, rows.has(hash) ? -1 : row);
    }
    const votes = new Map<number, number>();
    for (let row = y; row < y + height; row++) {
      const source = rows.get(rowHash(now, row * this.width + x, width)) ?? -1;
      if (source >= 0) votes.set(source - row, (votes.get(source - row) ?? 0) + 1);
    }
    const [best] = [...votes].sort(([, a], [, b]) => b - a);
    return best === undefined || best[0] === 0 ? undefined : best[0];
  }
}
