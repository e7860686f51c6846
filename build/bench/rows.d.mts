export interface GuestRow {
  readonly about: string;
  /** Part of the work that a quick run does, in percent. */
  readonly quick: number;
  /** Part of the work that a 32-bit guest does, in percent. */
  readonly percent32?: number;
}

export const GUEST_ROWS: Readonly<Record<string, GuestRow>>;
export const DEVICE_ROWS: Readonly<Record<string, GuestRow>>;
export const ROW_NAMES: readonly string[];
