import { RAM_BASE } from '../../core/cpu';
import { bareVcpu } from './bare-vcpu';
import { CODE32, DATA32 } from './cpu-helpers';

/** A vcpu in flat 32-bit protected mode at `entry`, which translates at once; its stack pointer is zero. */
export function flatVcpu(
  ramBytes: number,
  entry: number,
): { vcpu: ReturnType<typeof bareVcpu>['vcpu']; view: DataView; ram: Uint8Array } {
  const { vcpu, memory } = bareVcpu(ramBytes, { translateAfter: 1 });
  const r = vcpu.registers;
  r.cr0 = 0x33n;
  const flat = { base: 0n, limit: 0xffffffff };
  r.setSegment('cs', { ...flat, selector: 0x08, access: CODE32 });
  for (const name of ['ds', 'es', 'fs', 'gs', 'ss'] as const)
    r.setSegment(name, { ...flat, selector: 0x10, access: DATA32 });
  r.rip = BigInt(entry);
  const { buffer } = memory;
  return { vcpu, view: new DataView(buffer), ram: new Uint8Array(buffer, RAM_BASE, ramBytes) };
}
