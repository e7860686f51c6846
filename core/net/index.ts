export * from './capture';
export * from './nat';
export * from './switch';
export { formatIp, formatMac, parseIp, parseMac, parsePrefix, type Prefix } from './wire';
