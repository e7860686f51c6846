/** A rule about where guests of a network may connect to; the first that matches decides. */
export interface NetworkRule {
  action: 'allow' | 'deny';
  /** CIDR or one address. */
  to: string;
  /** First and last port; null: all. */
  ports: [number, number] | null;
}

/** What guests of a network can boot from. */
export interface NetworkBootConfig {
  /** Folder of this computer whose files the gateway gives by TFTP, read-only. */
  folder: string;
  /** The file that DHCP names; '' stands for NAME.pxe, each domain's own. */
  file: string;
}

/** A network that domains are plugged into. */
export interface NetworkConfig {
  name: string;
  /** nat: a way out through this computer. host-only: this computer's forwards only. isolated: the domains among themselves, no gateway. */
  mode: 'nat' | 'host-only' | 'isolated';
  /** Domains on it reach each other. */
  shared: boolean;
  /** IPv4 network of the gateway, CIDR; the gateway is host 2, the name server 3. */
  subnet: string;
  /** IPv6 /64, CIDR; '' for none. */
  subnet6: string;
  /** The local network may be reached. */
  lan: boolean;
  rules: NetworkRule[];
  /** Network boot; absent: none. */
  boot?: NetworkBootConfig;
}

/** An address a guest was given. */
export interface LeaseInfo {
  address: string;
  mac: string;
  hostName: string;
}

/** A destination that was refused. */
export interface DenialInfo {
  protocol: string;
  address: string;
  port: number;
  reason: string;
  count: number;
}

/** A network card of a running domain. */
export interface VifInfo {
  devid: number;
  mac: string;
  model: string;
  bridge: string;
  link: boolean;
  leases: LeaseInfo[];
  /** Ports of this computer that lead to the guest, as opened. */
  forwards: { protocol: string; hostAddress: string; hostPort: number; guestPort: number }[];
  connections: number;
  udpMappings: number;
  rxBytes: number;
  txBytes: number;
  rxFrames: number;
  txFrames: number;
  /** Frames that found no room or made no sense. */
  dropped: number;
  denials: DenialInfo[];
  /** The capture file, while frames are written to one; '' otherwise. */
  capture: string;
}
