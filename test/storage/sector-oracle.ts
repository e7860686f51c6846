/** What each sector of a disk may hold after a crash, by what was written, what was done, and what was flushed. */
export const SECTOR_BYTES = 512;

interface Entry {
  readonly value: number;
  done: boolean;
  /** A discard: what was there before may still be. */
  readonly soft: boolean;
}

export type ChangeKind = 'write' | 'zero' | 'discard';

/** Every write fills its sectors with numbers of their own; zeros and discards with 0. */
export class SectorOracle {
  private constructor(
    private readonly history: Entry[][],
    private readonly durable: number[],
    private lastStamp: number,
  ) {}

  /** A disk of zeros. */
  static empty(sectors: number): SectorOracle {
    return SectorOracle.from(new Uint8Array(sectors * SECTOR_BYTES), 0);
  }

  /** A disk that holds `bytes`, all of it flushed; numbers go on behind `lastStamp`. */
  static from(bytes: Uint8Array<ArrayBuffer>, lastStamp: number): SectorOracle {
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    const history: Entry[][] = [];
    for (let at = 0; at < words.length; at += SECTOR_BYTES / 4)
      history.push([{ value: words[at], done: true, soft: false }]);
    return new SectorOracle(history, new Array<number>(history.length).fill(0), lastStamp);
  }

  get stamp(): number {
    return this.lastStamp;
  }

  /** What it allows now, whatever comes. */
  copy(): SectorOracle {
    return new SectorOracle(
      this.history.map((list) => list.slice()),
      this.durable.slice(),
      this.lastStamp,
    );
  }

  /** Sectors that a flush has covered since the start. */
  get flushed(): number {
    return this.durable.reduce((sum, index) => sum + (index > 0 ? 1 : 0), 0);
  }

  /** A new value of its own for each sector; call what it returns once the write is done. */
  begin(
    first: number,
    count: number,
    kind: ChangeKind,
  ): { bytes: Uint8Array<ArrayBuffer>; done: () => void } {
    const bytes = new Uint8Array(count * SECTOR_BYTES);
    const words = new Uint32Array(bytes.buffer);
    const entries = Array.from({ length: count }, (_, i) => {
      const value = kind === 'write' ? ++this.lastStamp : 0;
      words.fill(value, (i * SECTOR_BYTES) / 4, ((i + 1) * SECTOR_BYTES) / 4);
      const entry = { value, done: false, soft: kind === 'discard' };
      this.history[first + i]?.push(entry);
      return entry;
    });
    return { bytes, done: () => entries.forEach((entry) => (entry.done = true)) };
  }

  /** Call as a flush begins; what it returns, when the flush has succeeded. */
  flush(): () => void {
    const covered = this.history.map((list) => list.findLastIndex((entry) => entry.done));
    return () =>
      covered.forEach(
        (index, sector) => (this.durable[sector] = Math.max(index, this.durable[sector] ?? 0)),
      );
  }

  /** The sectors that hold what they must not, as sentences. */
  lost(bytes: Uint8Array<ArrayBuffer>): string[] {
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    const perSector = SECTOR_BYTES / 4;
    return this.history.flatMap((list, sector) => {
      let from = this.durable[sector] ?? 0;
      while (list[from]?.soft) from--;
      const start = sector * perSector;
      const value = words[start];
      let torn = false;
      for (let i = start + 1; i < start + perSector; i++) torn ||= words[i] !== value;
      const allowed = list.slice(Math.max(0, from)).map((entry) => entry.value);
      if (!torn && allowed.includes(value)) return [];
      const what = torn ? 'parts of several writes' : String(value);
      return [`sector ${sector} holds ${what}; it may hold ${allowed.join(', ')}`];
    });
  }
}
