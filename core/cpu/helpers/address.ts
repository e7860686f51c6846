// AssemblyScript. Addresses of the parts of large memory operands.
import { isLong } from './segments';

/** Bits of a linear address in the current mode. */
export function addressMask(): u64 {
  return isLong() ? <u64>-1 : 0xffffffff;
}
