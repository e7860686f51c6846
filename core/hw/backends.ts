/** Host back ends that devices are built on. All callbacks run in the thread that owns the device. */

/** An error of the host's image file that the guest sees as a medium error. */
export interface BlockError {
  readonly code: 'EIO' | 'ENOSPC' | 'EROFS' | 'EINVAL' | 'ENOMEDIUM';
  readonly message: string;
}

/** A disk or CD image. Offsets and lengths in bytes, multiples of 512, below 2^53. Requests complete in any order, never from inside the call. */
export interface BlockBackend {
  /** Bytes, a multiple of 512. */
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  /** Set by a device that takes further requests while some are under way: ends may be told some together, a moment later. */
  manyAtOnce?: boolean;
  /** Fills `target` completely or fails. */
  read(offset: number, target: Uint8Array, done: (error?: BlockError) => void): void;
  write(offset: number, source: Uint8Array, done: (error?: BlockError) => void): void;
  /** As `read` and `write`, straight into pieces of memory or out of them; false, and `done` is not called: not now, by a buffer only. What the pieces hold is then unknown. */
  readPieces?(
    offset: number,
    pieces: readonly Uint8Array[],
    done: (error?: BlockError) => void,
  ): boolean;
  writePieces?(
    offset: number,
    pieces: readonly Uint8Array[],
    done: (error?: BlockError) => void,
  ): boolean;
  /** Completes when all completed writes are durable. */
  flush(done: (error?: BlockError) => void): void;
  /** The guest no longer needs these bytes: they may be given back to the host, and read as anything until written. A hint; absent: devices do not offer it. */
  discard?(offset: number, length: number, done: (error?: BlockError) => void): void;
  /** Makes these bytes zero, without data to carry; `unmap` allows to give them back to the host. Absent: devices write zeros. */
  writeZeroes?(
    offset: number,
    length: number,
    unmap: boolean,
    done: (error?: BlockError) => void,
  ): void;
  /** Blocks the calling thread; for firmware services only. Throws BlockError-shaped values. */
  readNow(offset: number, length: number): Uint8Array;
  writeNow(offset: number, source: Uint8Array): void;
}

/** A character device's outside: a serial port's or debug port's line. */
export interface CharBackend {
  /** Bytes from the guest. */
  write(bytes: Uint8Array): void;
  /** Set by the device: bytes to the guest. The device queues what its FIFO cannot take. */
  onReceive?: (bytes: Uint8Array) => void;
}

/** Where a display adapter shows its picture: 32-bit pixels, byte order B, G, R, X, rows of `width * 4` bytes. */
export interface DisplayBackend {
  /** Sets the mode; the picture is black and all dirty afterwards. At most 2560 x 1600. Returns the live pixel buffer to draw into. */
  resize(width: number, height: number): Uint8Array;
  /** Tells that a rectangle of the buffer changed. */
  dirty(x: number, y: number, width: number, height: number): void;
  /** The text on screen, if the adapter is in a text mode (else undefined): kept for screen readers, search and tests. */
  text(rows: readonly string[] | undefined, cursor?: { x: number; y: number }): void;
}

/** A display adapter as the frame pump sees it: `refresh` is called up to 30 times a second while someone watches. */
export interface DisplayAdapter {
  refresh(force: boolean): void;
}

/** Guest input devices as the outside sees them. */
export interface KeyboardSink {
  /** Scan code set 1 value, 0xE000 added for extended keys (QEMU's "qnum"-free XT form): 0x1E is A, 0xE04B is Left. */
  key(scancode: number, pressed: boolean): void;
}
export interface PointerSink {
  /** Relative motion in pixels; buttons bit 0 left, 1 right, 2 middle; wheel +1 is up. */
  relative(dx: number, dy: number, wheel: number, buttons: number): void;
  /** Absolute position 0..32767 on both axes; false when the guest has no absolute pointer enabled. */
  absolute(x: number, y: number, wheel: number, buttons: number): boolean;
}
