export * from './nat';
export { formatIp, formatMac, parseIp, parseMac, parsePrefix, type Prefix } from './wire';
