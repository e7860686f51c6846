/**
 * Framebuffer updates to one client: what it asked for, what changed since, and one frame on its way at a time.
 * Document: RFC 6143 sections 7.5.3, 7.6.1, 7.7, 7.8.2; RFB extensions ExtendedDesktopSize (-308), QEMU pointer motion
 * change (-257) and extended key event (-258).
 */
import { DirtyRegion, type Rectangle } from '../dirty-region';
import { ByteWriter } from './byte-writer';
import { encodeHextile } from './hextile';
import { NATIVE_FORMAT, PixelConverter, type PixelFormat } from './pixel-format';
import { encodeRaw } from './raw';
import { SentPicture, type Move } from './sent-picture';
import type { RfbScreen } from './tile';

const RAW = 0;
const COPY_RECT = 1;
const HEXTILE = 5;
const DESKTOP_SIZE = -223;
const POINTER_MOTION_CHANGE = -257;
const EXTENDED_KEY_EVENT = -258;
const EXTENDED_DESKTOP_SIZE = -308;

/** Why a new size is told (ExtendedDesktopSize, x position). */
const REASON_SERVER = 0;
const REASON_THIS_CLIENT = 1;
const STATUS_OK = 0;
const STATUS_PROHIBITED = 1;

/** A frame waits while this much of the last is still to be taken. */
const MAX_QUEUED_BYTES = 64 * 1024;

export interface UpdateWires {
  screen(): RfbScreen;
  write(bytes: Uint8Array): void;
  /** Bytes the client has not taken yet. */
  queuedBytes(): number;
}

export class UpdateSender {
  private readonly dirty = new DirtyRegion();
  private converter = new PixelConverter(NATIVE_FORMAT);
  private encoding = RAW;
  private extensions: ReadonlySet<number> = new Set();
  private asked = false;
  private copies = false;
  /** What the client has, if it understands CopyRect. */
  private sent: SentPicture | undefined;
  /** Width and height the client knows. */
  private width = 0;
  private height = 0;
  private absolute = true;
  private toldAbsolute: boolean | undefined;
  private tellKeys = false;
  private tellSize = false;
  private tellRefusal = false;
  private closed = false;

  constructor(private readonly wires: UpdateWires) {}

  /** The size for ServerInit. */
  begin(): { width: number; height: number } {
    const { width, height } = this.wires.screen();
    this.width = width;
    this.height = height;
    return { width, height };
  }

  /** The client sends motions because it was told that the guest takes no positions. */
  get isRelative(): boolean {
    return this.toldAbsolute === false;
  }

  setPixelFormat(format: PixelFormat): void {
    this.converter = new PixelConverter(format);
    this.sent = undefined;
  }

  /** The client's list, best first. */
  setEncodings(list: readonly number[]): void {
    this.encoding = list.find((code) => code === RAW || code === HEXTILE) ?? RAW;
    this.copies = list.includes(COPY_RECT);
    this.sent = undefined;
    this.extensions = new Set(list.filter((code) => code < 0));
    this.tellKeys = this.extensions.has(EXTENDED_KEY_EVENT);
    this.tellSize = this.extensions.has(EXTENDED_DESKTOP_SIZE);
    if (!this.extensions.has(POINTER_MOTION_CHANGE)) this.toldAbsolute = undefined;
  }

  /** FramebufferUpdateRequest. */
  ask(incremental: boolean, area: Rectangle): void {
    this.asked = true;
    if (!incremental) {
      this.dirty.add(area);
      this.sent = undefined;
    }
    this.flush();
  }

  changed(rectangles: readonly Rectangle[]): void {
    for (const rectangle of rectangles) this.dirty.add(rectangle);
    this.flush();
  }

  setAbsolute(absolute: boolean): void {
    this.absolute = absolute;
    this.flush();
  }

  /** SetDesktopSize: the guest alone sets its mode. */
  refuseSize(): void {
    this.tellRefusal = this.extensions.has(EXTENDED_DESKTOP_SIZE);
    this.flush();
  }

  /** Sends an update if one is asked for, something changed and the client has taken the last one. */
  flush(): void {
    if (!this.asked || this.closed) return;
    if (this.wires.queuedBytes() > MAX_QUEUED_BYTES) return;
    const screen = this.wires.screen();
    const news = this.news(screen);
    if (news) {
      this.asked = false;
      this.wires.write(news);
      return;
    }
    const areas = this.dirty.take(this.width, this.height);
    if (areas.length === 0) return;
    this.asked = false;
    const { moves, rest } = this.split(screen, areas);
    const out = new ByteWriter(64 * 1024);
    out
      .u8(0)
      .u8(0)
      .u16(moves.length + rest.length);
    for (const { to, fromY } of moves) {
      header(out, to, COPY_RECT);
      out.u16(to[0]).u16(fromY);
    }
    for (const area of rest) {
      header(out, area, this.encoding);
      if (this.encoding === HEXTILE) encodeHextile(out, screen, area, this.converter);
      else encodeRaw(out, screen, area, this.converter);
      this.sent?.note(screen, area);
    }
    this.wires.write(out.take());
  }

  /** What the client can move by itself, and what it must be sent. */
  private split(
    screen: RfbScreen,
    areas: readonly Rectangle[],
  ): { moves: readonly Move[]; rest: readonly Rectangle[] } {
    const { width, height } = screen;
    const moves: Move[] = [];
    if (!this.copies || width !== this.width || height !== this.height)
      return { moves, rest: areas };
    if (!this.sent) {
      const [first] = areas;
      if (areas.length === 1 && first[2] === width && first[3] === height)
        this.sent = new SentPicture(width, height);
      return { moves, rest: areas };
    }
    const { sent } = this;
    const rest = areas.flatMap((area): Rectangle[] => {
      const move = sent.takeMove(screen, area);
      if (!move) return [area];
      moves.push(move);
      const [x, y, w, h] = area;
      const [, top, , rows] = move.to;
      const above: Rectangle = [x, y, w, top - y];
      const below: Rectangle = [x, top + rows, w, y + h - top - rows];
      return [above, below].filter(([, , , left]) => left > 0);
    });
    return { moves, rest };
  }

  close(): void {
    this.closed = true;
  }

  /** An update of pseudo-rectangles: a new size, and what the server can do. */
  private news(screen: RfbScreen): Uint8Array | undefined {
    const out = new ByteWriter(64);
    out.u8(0).u8(0).u16(0);
    let count = 0;
    if (this.tellKeys) {
      header(out, [0, 0, 0, 0], EXTENDED_KEY_EVENT);
      this.tellKeys = false;
      count++;
    }
    if (this.extensions.has(POINTER_MOTION_CHANGE) && this.toldAbsolute !== this.absolute) {
      header(out, [this.absolute ? 1 : 0, 0, this.width, this.height], POINTER_MOTION_CHANGE);
      this.toldAbsolute = this.absolute;
      count++;
    }
    count += this.sizeNews(out, screen);
    if (count === 0) return undefined;
    out.patchU16(2, count);
    return out.take();
  }

  private sizeNews(out: ByteWriter, { width, height }: RfbScreen): number {
    const resized = width !== this.width || height !== this.height;
    const extended = this.extensions.has(EXTENDED_DESKTOP_SIZE);
    if (resized) {
      // A client that cannot change its size sees the part that fits; the rest of its picture is black.
      if (extended || this.extensions.has(DESKTOP_SIZE)) {
        this.width = width;
        this.height = height;
        this.dirty.clear();
      }
      this.sent = undefined;
      this.dirty.add([0, 0, this.width, this.height]);
    }
    if (extended && (resized || this.tellSize || this.tellRefusal)) {
      const refused = this.tellRefusal && !resized;
      this.tellSize = this.tellRefusal = false;
      this.extendedSize(out, refused);
      return 1;
    }
    if (!resized || !this.extensions.has(DESKTOP_SIZE)) return 0;
    header(out, [0, 0, width, height], DESKTOP_SIZE);
    return 1;
  }

  /** One screen over the whole picture. */
  private extendedSize(out: ByteWriter, refused: boolean): void {
    const { width, height } = this;
    const reason = refused ? REASON_THIS_CLIENT : REASON_SERVER;
    header(
      out,
      [reason, refused ? STATUS_PROHIBITED : STATUS_OK, width, height],
      EXTENDED_DESKTOP_SIZE,
    );
    out.u8(1).bytes([0, 0, 0]);
    out.u32(0).u16(0).u16(0).u16(width).u16(height).u32(0);
  }
}

function header(out: ByteWriter, [x, y, width, height]: Rectangle, encoding: number): void {
  out
    .u16(x)
    .u16(y)
    .u16(width)
    .u16(height)
    .u32(encoding >>> 0);
}
