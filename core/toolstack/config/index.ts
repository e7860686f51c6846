export { parseConfig, type ParsedConfig, type ParseOptions } from './config';
export { formatDiskSpec, parseDiskSpec } from './disk-spec';
export { formatConfig } from './format';
export { INERT_KEYS, KEYS, type KeyRow, type KeyType } from './keys';
export {
  configProblem,
  domainConfigSchema,
  NETWORK_NAME_PATTERN,
  networkSchema,
  KEYMAPS,
  MAX_MEMORY_MIB,
  MAX_VCPUS,
  MIN_MEMORY_MIB,
} from './schema';
export {
  DEFAULT_MODEL,
  DEFAULT_NETWORK,
  defaultMac,
  formatVifSpec,
  parseVifSpec,
} from './vif-spec';
