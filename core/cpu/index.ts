export {
  RAM_BASE,
  PHYS_MAP_BASE,
  PHYS_READ,
  PHYS_WRITE,
  DIRTY_MAP_BASE,
  CODE_MAP_BASE,
} from './layout';
export { WasmVcpu, type VcpuConfig } from './vcpu';
export type { ToTranslator, TranslatorStart } from './translator/background-translator';
export { TranslatorService } from './translator/translator-service';
