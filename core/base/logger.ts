/** Levels, in rising order; `guest` is misbehaviour of the guest, counted and rate-limited by the sink. */
export type LogLevel = 'trace' | 'guest' | 'info' | 'warn' | 'error';

/** Where a component writes its log lines. The host injects one; core never prints. */
export interface Logger {
  log(level: LogLevel, message: string): void;
  /** A logger for a part, whose lines carry `component` (a folder or part name). */
  child(component: string): Logger;
}

export const NULL_LOGGER: Logger = { log() {}, child: () => NULL_LOGGER };
