export interface ElectronRuntime {
  readonly executable: string;
  /** The distribution it lies in. */
  readonly folder: string;
  readonly version: string | undefined;
}

/** The first Electron there is; fetched or made when there is none. */
export function electronRuntime(): Promise<ElectronRuntime>;
/** Makes sure that its system libraries are there; throws with the install command if it may not. */
export function ensureElectronLibraries(executable: string): void;
