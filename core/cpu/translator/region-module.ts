/** Modules of regions. */
import { ModuleBuilder, type FunctionBody } from '../../wasm';
import { REGION_TYPE } from '../interp/interpreter';
import { MODULE_MEMORY } from '../tier/module-memory';
import type { HelperImports } from './region-state';

/** A module that exports functions by their place among `bodies`. All helpers so far are imported: a function fits into any module. */
export function encodeRegions(
  bodies: Iterable<FunctionBody>,
  imports: HelperImports,
  optimized: boolean,
): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder(MODULE_MEMORY);
  imports.importTo(module);
  [...bodies].forEach((body, i) => module.export(String(i), module.add(REGION_TYPE, body)));
  return module.encode({ optimized });
}
