export type { DhcpLease } from './dhcp-server';
export {
  EgressPolicy,
  type EgressDenial,
  type EgressOptions,
  type EgressReason,
  type EgressRule,
} from './egress';
export type { GatewayAddresses } from './gateway-link';
export type { TftpFile, TftpFolder } from './tftp-server';
export {
  UserNat,
  type NatBoot,
  type NatCounters,
  type PortForward,
  type UserNatHost,
  type UserNatOptions,
} from './user-nat';
