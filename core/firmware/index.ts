export * from './acpi';
export * from './direct-boot';
export { fwCfgTableFiles } from './fw-cfg-files';
export * from './memory-map';
export * as platform from './platform';
export * from './smbios';
export { buildMpTable, buildPirTable, type MpConfig } from './mptable';
export * from './bios';
