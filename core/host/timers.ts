/** Real time of the host, for the toolstack; devices use the machine's virtual `Clock`. */
export interface TimerHost {
  /** Milliseconds since 1970-01-01 UTC. */
  wallMs(): number;
  /** Milliseconds that never step back. */
  monotonicMs(): number;
  /** Calls `fire` once after `ms` milliseconds; the result cancels it. */
  after(ms: number, fire: () => void): () => void;
  /** Calls `fire` every `ms` milliseconds; the result stops it. */
  every(ms: number, fire: () => void): () => void;
}
