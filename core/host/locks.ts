/** Who holds a lock, as far as the holder told: process id and what it is ('debian12', 'the Domus app'). */
export interface LockOwner {
  readonly pid: number;
  readonly name: string;
}

export interface HeldLock {
  release(): Promise<void>;
}

export type LockResult = { readonly lock: HeldLock } | { readonly owner: LockOwner | null };

/**
 * Locks between processes, named by a string, that end with the process that holds them, however it ends.
 * `exclusive` excludes everybody, `shared` only excludes exclusive holders.
 */
export interface LockHost {
  acquire(name: string, mode: 'exclusive' | 'shared', owner: LockOwner): Promise<LockResult>;
}

/** A local socket that lasts exactly as long as this process: processes it started hold a connection and end when it breaks. */
export interface Lifeline {
  readonly address: string;
  close(): Promise<void>;
}

export interface LifelineHost {
  open(): Promise<Lifeline>;
}
