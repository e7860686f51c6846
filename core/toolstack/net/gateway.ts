import type { NetworkConfig } from '../../api';
import { parseIp, parsePrefix, type EgressOptions, type GatewayAddresses } from '../../net';

/** Hosts of a network by their place in it, as QEMU's user network has them: 10.0.2.2, .3, .15. */
const GATEWAY_HOST = 2;
const DNS_HOST = 3;
export const FIRST_GUEST_HOST = 15;
/** Locally administered, and the same on every network: a gateway is no further than the cable. */
const GATEWAY_MAC = Uint8Array.of(0x52, 0x55, 0x0a, 0x00, 0x02, 0x02);
const LINK_LOCAL = 'fe80::2';

function host(network: Uint8Array, number: number): Uint8Array {
  const address = Uint8Array.from(network);
  address[address.length - 1] |= number;
  return address;
}

/** What is wrong with a network's addresses, in a sentence; undefined when they are good. */
export function networkProblem({ mode, subnet, subnet6, boot }: NetworkConfig): string | undefined {
  const ipv4 = parsePrefix(subnet);
  const bits = ipv4?.address.length === 4 ? ipv4.bits : 0;
  if (!ipv4 || bits < 8 || bits > 27 || (ipv4.address[3] & 31) !== 0)
    return `the subnet ${subnet} must be an IPv4 network of /8 to /27, such as 10.0.2.0/24`;
  if (boot && mode === 'isolated')
    return 'an isolated network has no gateway that guests could boot from';
  if (subnet6 === '') return undefined;
  const ipv6 = parsePrefix(subnet6);
  return ipv6?.address.length === 16 && ipv6.bits === 64
    ? undefined
    : `the subnet ${subnet6} must be an IPv6 /64, such as fd00:1::/64`;
}

/** The gateway's addresses on a network whose configuration has no problem. */
export function gatewayAddresses({ subnet, subnet6 }: NetworkConfig): GatewayAddresses {
  const ipv4 = parsePrefix(subnet) ?? { address: new Uint8Array(4), bits: 24 };
  const prefix6 = subnet6 === '' ? undefined : parsePrefix(subnet6);
  const linkLocal = parseIp(LINK_LOCAL) ?? new Uint8Array(16);
  return {
    mac: GATEWAY_MAC,
    ipv4,
    gateway: host(ipv4.address, GATEWAY_HOST),
    dns: host(ipv4.address, DNS_HOST),
    ipv6: prefix6 && {
      prefix: prefix6,
      gateway: host(prefix6.address, GATEWAY_HOST),
      dns: host(prefix6.address, DNS_HOST),
      linkLocal,
    },
  };
}

/** Where guests of a network may connect to. */
export function egressOptions({ mode, lan, rules }: NetworkConfig): EgressOptions {
  return {
    outside: mode === 'nat',
    lan,
    rules: rules.map(({ action, to, ports }) => ({ action, to, ...(ports ? { ports } : {}) })),
  };
}
