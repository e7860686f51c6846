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
