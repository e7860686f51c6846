import type { KoffiFunc } from 'koffi';
import { loadLibc } from './libc';

type Fallocate = KoffiFunc<(fd: number, mode: number, offset: number, length: number) => number>;

/** fallocate(2), Linux: makes a hole, and keeps the length of the file. */
const FALLOC_FL_KEEP_SIZE = 1;
const FALLOC_FL_PUNCH_HOLE = 2;

/** False once the host or a file system is found unable: then nobody asks again. */
let able = process.platform === 'linux';
let fallocate: Promise<Fallocate | undefined> | undefined;

async function load(): Promise<Fallocate | undefined> {
  const libc = await loadLibc();
  return libc?.func('int fallocate(int fd, int mode, int64 offset, int64 length)');
}

/** Gives a range of an open file back to the host, on a pool thread; it reads as zeros. False when that cannot be had. */
export async function punchHole(fd: number, offset: number, length: number): Promise<boolean> {
  if (!able) return false;
  const call = await (fallocate ??= load());
  if (!call) return (able = false);
  const mode = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE;
  return new Promise((resolve) => {
    call.async(fd, mode, offset, length, (error: Error | null, result: number) =>
      resolve(error === null && result === 0),
    );
  });
}
