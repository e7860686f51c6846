/** `power-on` is the cold state of the data sheet; `warm` keeps what a reset line does not touch. */
export type ResetKind = 'power-on' | 'warm';

/** What every device model provides, whatever bus it sits on. A device does not know where it is mapped. */
export interface Device<S extends object = object> {
  /** Unique within a machine: 'i8254', 'ide0'. Names the device in a saved state. */
  readonly id: string;
  reset(kind: ResetKind): void;
  /** The guest-visible state as a plain, structured-clonable object with a `version`; never aliased. */
  save(): S;
  restore(state: S): void;
}
