export interface Sample {
  readonly row: string;
  readonly bits: number;
  readonly peer: string;
  /** On the guest's clock. */
  readonly seconds: number;
  /** On the host's clock. */
  readonly wallSeconds: number;
  /** Processor time of the thread that runs the guest, and of all threads. */
  readonly threadSeconds: number;
  readonly cpuSeconds: number;
  /** How long that thread was ready to run but something else had the processors. */
  readonly queuedSeconds: number;
  /** What the row computed. */
  readonly sum?: string;
  readonly disturbed?: boolean;
}

/** True when something else on this machine took processor time from a sample. */
export function isDisturbed(sample: Pick<Sample, 'wallSeconds' | 'queuedSeconds'>): boolean;

/** Figures of one run: what is kept of them and how they are compared. */
export class Results {
  constructor(peers: readonly string[], options?: object);
  readonly samples: readonly Sample[];
  /** What makes the figures worthless. */
  readonly faults: readonly string[];
  add(sample: Sample): void;
  checkSums(): void;
  /** The geometric mean over rows, boots left out, of how many times faster the first peer is than another. */
  mean(
    bits: number,
    rows: readonly string[],
    other: string,
    what?: 'seconds' | 'threadSeconds' | 'cpuSeconds',
  ): number | undefined;
  save(): string;
}
