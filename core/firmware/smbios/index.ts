export { buildSmbios, uuidBytes, type SmbiosConfig, type SmbiosTables } from './smbios';
