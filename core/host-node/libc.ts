import type { LibraryHandle } from 'koffi';

/** The C library of a Linux host, for calls that Node does not have; undefined elsewhere. */
export async function loadLibc(): Promise<LibraryHandle | undefined> {
  if (process.platform !== 'linux') return undefined;
  try {
    const { default: koffi } = await import('koffi');
    return koffi.load('libc.so.6');
  } catch {
    // A C library of another name (musl), or none of koffi's programs for this machine.
    return undefined;
  }
}
