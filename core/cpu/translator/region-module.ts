/** Modules of regions. */
import { ModuleBuilder, type FunctionBody } from '../../wasm';
import { REGION_TYPE } from '../interp/interpreter';
import type { HelperImports } from './region-state';

/** A module that exports functions by their place in the list. All helpers so far are imported: a function fits into any module. */
export function encodeRegions(
  bodies: readonly FunctionBody[],
  imports: HelperImports,
  memoryPages: number,
  optimized: boolean,
): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder({ initial: memoryPages, maximum: memoryPages });
  imports.importTo(module);
  bodies.forEach((body, i) => module.export(String(i), module.add(REGION_TYPE, body)));
  return module.encode({ optimized });
}
