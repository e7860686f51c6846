/** One vcpu without a machine: RAM from address 0 on, no devices, no interrupts, a clock that stands. */
import { PHYS_MAP_BASE, PHYS_READ, PHYS_WRITE, RAM_BASE, WasmVcpu } from '../../core/cpu';
import { nodeWasm } from '../../core/host-node';

const PAGE = 4096;
const WASM_PAGE = 65536;

type VcpuConfig = ConstructorParameters<typeof WasmVcpu>[0];

/** `settings` take the place of what a bare vcpu has. */
export function bareVcpu(
  ramBytes: number,
  settings: Partial<VcpuConfig> = {},
): { readonly vcpu: WasmVcpu; readonly memory: VcpuConfig['memory'] } {
  const memory = nodeWasm.createMemory((RAM_BASE + ramBytes) / WASM_PAGE);
  const map = new Uint32Array(memory.buffer, PHYS_MAP_BASE, ramBytes / PAGE);
  for (let page = 0; page < map.length; page++)
    map[page] = (RAM_BASE + page * PAGE) | PHYS_READ | PHYS_WRITE;
  const vcpu = new WasmVcpu({
    index: 0,
    memory,
    wasm: nodeWasm,
    bus: {
      readPort: () => 0xffffffff,
      writePort: () => undefined,
      readMmio: () => 0xffffffff,
      writeMmio: () => undefined,
    },
    interrupts: {
      hasPending: () => false,
      acknowledge: () => -1,
      taskPriority: 0,
      readApicBase: () => 0xfee00900n,
      writeApicBase: () => true,
    },
    readTsc: () => 0n,
    random: () => 0n,
    vcpus: 1,
    ...settings,
  });
  return { vcpu, memory };
}
