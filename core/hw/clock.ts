/** A one-shot timer on the machine's virtual clock. */
export interface Timer {
  /** Fires once when `clock.now >= deadlineNs`; re-arming replaces the deadline. */
  arm(deadlineNs: number): void;
  cancel(): void;
  /** Virtual ns, or Infinity when not armed. */
  readonly deadlineNs: number;
}

/** Virtual time, owned by the machine: pausing, saving and migrating a domain stop it. No device reads the host clock. */
export interface Clock {
  /** Nanoseconds since power-on of the domain (an integer below 2^53). */
  readonly now: number;
  timer(fire: () => void): Timer;
  /** Wall-clock time for RTCs: milliseconds since 1970-01-01 UTC. */
  readonly wallMs: number;
}
