/** Something missing that only the user can put right; its message says how. */
export class SetupError extends Error {}
export function hasCommand(name: string): boolean;
export function isRoot(): boolean;
export function hasApt(): boolean;
export function ensureAptLists(): void;
/** Installs packages as root on Debian; otherwise throws with the exact command. */
export function installPackages(packages: readonly string[], purpose: string): void;
/** Makes sure commands exist; maps each to the package that has it. */
export function ensureCommands(wanted: Readonly<Record<string, string>>, purpose: string): void;
