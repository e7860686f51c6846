/** A measurement of the host. */
export interface HostSample {
  readonly hostname: string;
  readonly cpus: number;
  readonly cpuModel: string;
  /** Share of all processors in use since the last sample, 0..1. */
  readonly cpu: number;
  readonly memoryBytes: number;
  /** What a new process could take without swapping. */
  readonly memoryFreeBytes: number;
  /** Processor time used by everything since the host started, seconds. */
  readonly cpuSeconds: number;
}

export interface SystemHost {
  readonly pid: number;
  sample(): HostSample;
  /** A random UUID, version 4. */
  uuid(): string;
  /** A password as crypt(5) has it in /etc/shadow: SHA-512 with a random salt, `$6$...`. */
  hashPassword(password: string): string;
}
