/**
 * Where a guest may connect to (reliability.md 2.9): not to the host itself, not to addresses that mean "here", not
 * to the local network unless allowed, and by the user's rules before all others. Decided on the numeric address.
 */
import { type InterfaceAddress } from '../../host';
import { formatIp, inPrefix, parseIp, parsePrefix, type Prefix } from '../wire';

/** A rule of the user's. The first one that matches decides. */
export interface EgressRule {
  readonly action: 'allow' | 'deny';
  /** CIDR or a single address. */
  readonly to: string;
  /** Ports, both ends included; undefined: all. */
  readonly ports?: readonly [number, number];
}

export interface EgressOptions {
  /** False: nothing leaves the network. */
  readonly outside: boolean;
  /** Private and on-link networks may be reached. */
  readonly lan: boolean;
  readonly rules: readonly EgressRule[];
}

/** Why a destination is refused, in words for the user. */
export type EgressReason =
  | 'this network has no way out'
  | 'a rule denies it'
  | 'it is this computer'
  | 'it is a special address'
  | 'it is on the local network'
  | 'this computer does not permit ping';

export interface EgressDenial {
  readonly protocol: 'tcp' | 'udp' | 'icmp' | 'dns';
  readonly address: string;
  readonly port: number;
  readonly reason: EgressReason;
  /** How often, in a row or not. */
  count: number;
}

function prefixes(...texts: string[]): Prefix[] {
  return texts.flatMap((text) => parsePrefix(text) ?? []);
}

/** IANA special-purpose registries (RFC 6890): unspecified, loopback, link local, multicast, reserved. */
const SPECIAL = prefixes(
  '0.0.0.0/8',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '192.0.0.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '::/96',
  'fe80::/10',
  'fec0::/10',
  'ff00::/8',
  // IPv4-mapped and -translated, local NAT64, Teredo (a relay to hosts of its sender's choice).
  '::ffff:0:0/96',
  '::ffff:0:0:0/96',
  '64:ff9b:1::/48',
  '2001::/32',
);
/** RFC 1918, RFC 6598 (carrier-grade NAT), RFC 2544, RFC 4193. */
const LAN = prefixes(
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '198.18.0.0/15',
  'fc00::/7',
);
/** IPv6 forms that carry an IPv4 address, NAT64 (RFC 6052) and 6to4 (RFC 3056): where its four bytes start. */
const EMBEDDED: readonly (readonly [Prefix, number])[] = [
  ...prefixes('64:ff9b::/96').map((prefix): [Prefix, number] => [prefix, 12]),
  ...prefixes('2002::/16').map((prefix): [Prefix, number] => [prefix, 2]),
];

const LOOPBACK = Uint8Array.of(127, 0, 0, 1);
const INTERFACES_AGE_MS = 3000;
const MAX_DENIALS = 64;

interface ParsedRule {
  readonly action: 'allow' | 'deny';
  readonly prefix: Prefix;
  readonly ports: readonly [number, number] | undefined;
}

export class EgressPolicy {
  private readonly rules: readonly ParsedRule[];
  private own: Uint8Array[] = [];
  private onLink: Prefix[] = [];
  private readAt = -Infinity;
  private readonly recent = new Map<string, EgressDenial>();
  /** Refused packets and connections since the start. */
  denied = 0;

  constructor(
    private readonly options: EgressOptions,
    private readonly host: { interfaces(): InterfaceAddress[] },
    private readonly now: () => number,
  ) {
    this.rules = options.rules.flatMap(({ action, to, ports }) => {
      const prefix = parsePrefix(to);
      return prefix ? [{ action, prefix, ports }] : [];
    });
  }

  /** The destinations refused last, newest last. */
  get denials(): readonly EgressDenial[] {
    return [...this.recent.values()];
  }

  /** Why the guest may not reach `address`, or undefined when it may; a refusal is counted and remembered. */
  check(
    protocol: EgressDenial['protocol'],
    address: Uint8Array,
    port: number,
  ): EgressReason | undefined {
    const reason = this.reasonAgainst(address, port);
    if (reason !== undefined) this.remember(protocol, address, port, reason);
    return reason;
  }

  /** Remembers an echo request that this computer does not let out. */
  noPing(address: Uint8Array): void {
    this.remember('icmp', address, 0, 'this computer does not permit ping');
  }

  /** Whether a rule of the user's opens this port of the host's loopback address: the guest reaches it at its gateway. */
  opensHostPort(port: number): boolean {
    return this.rules.some(
      ({ action, prefix, ports }) =>
        action === 'allow' &&
        inPrefix(LOOPBACK, prefix) &&
        prefix.bits >= 8 &&
        (!ports || (port >= ports[0] && port <= ports[1])),
    );
  }

  /** Whether some port of `address` may be reached: what a DNS answer may name. */
  isEverReachable(address: Uint8Array): boolean {
    if (!this.options.outside) return false;
    const opened = this.rules.some(
      ({ action, prefix }) => action === 'allow' && inPrefix(address, prefix),
    );
    return opened || this.reasonAgainst(address, -1) === undefined;
  }

  /** The same as `check` without counting. */
  reasonAgainst(address: Uint8Array, port: number): EgressReason | undefined {
    if (!this.options.outside) return 'this network has no way out';
    for (const rule of this.rules) {
      const { ports } = rule;
      if (ports && (port < ports[0] || port > ports[1])) continue;
      if (!inPrefix(address, rule.prefix)) continue;
      return rule.action === 'allow' ? undefined : 'a rule denies it';
    }
    return this.byDefault(address);
  }

  private byDefault(address: Uint8Array): EgressReason | undefined {
    for (const [prefix, at] of EMBEDDED)
      if (inPrefix(address, prefix)) return this.byDefault(address.subarray(at, at + 4));
    if (SPECIAL.some((prefix) => inPrefix(address, prefix))) return 'it is a special address';
    this.readInterfaces();
    if (this.own.some((own) => inPrefix(address, { address: own, bits: own.length * 8 })))
      return 'it is this computer';
    if (this.options.lan) return undefined;
    const isLan = (prefix: Prefix): boolean => inPrefix(address, prefix);
    return LAN.some(isLan) || this.onLink.some(isLan) ? 'it is on the local network' : undefined;
  }

  private readInterfaces(): void {
    if (this.now() - this.readAt < INTERFACES_AGE_MS) return;
    this.readAt = this.now();
    const entries = this.host.interfaces().flatMap((entry) => {
      const address = parseIp(entry.address);
      return address ? [{ address, bits: entry.prefixBits }] : [];
    });
    this.own = entries.map((entry) => entry.address);
    // A point-to-point or default-wide prefix says nothing about neighbours.
    this.onLink = entries.filter(
      (entry) => entry.bits >= 8 && entry.bits < entry.address.length * 8,
    );
  }

  private remember(
    protocol: EgressDenial['protocol'],
    address: Uint8Array,
    port: number,
    reason: EgressReason,
  ): void {
    this.denied++;
    const key = `${protocol} ${address.join('.')} ${port}`;
    const known = this.recent.get(key);
    this.recent.delete(key);
    const text = formatIp(address);
    this.recent.set(key, { protocol, address: text, port, reason, count: (known?.count ?? 0) + 1 });
    for (const oldest of this.recent.keys()) {
      if (this.recent.size <= MAX_DENIALS) break;
      this.recent.delete(oldest);
    }
  }
}
