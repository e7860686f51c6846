/**
 * DHCP server for one network, RFC 2131 section 4.3. Leases are remembered by client identifier or hardware address
 * for the life of the network; a card's firmware (PXE) and its operating system, which may call themselves differently,
 * share one. Missing: relays, options 82 and 121.
 */
import {
  ANY_IPV4,
  BROADCAST_IPV4,
  buildDhcpReply,
  DHCPACK,
  DHCPDECLINE,
  DHCPDISCOVER,
  DHCPINFORM,
  DHCPNAK,
  DHCPOFFER,
  DHCPRELEASE,
  DHCPREQUEST,
  formatIp,
  formatMac,
  hostAddress,
  inPrefix,
  isAny,
  lastAddress,
  OPTION_BOOT_FILE,
  OPTION_BROADCAST,
  OPTION_CLIENT_ID,
  OPTION_DNS,
  OPTION_DOMAIN_NAME,
  OPTION_HOST_NAME,
  OPTION_LEASE_TIME,
  OPTION_PARAMETERS,
  OPTION_REBINDING_TIME,
  OPTION_RENEWAL_TIME,
  OPTION_REQUESTED_IP,
  OPTION_ROUTER,
  OPTION_SERVER_ID,
  OPTION_SUBNET_MASK,
  OPTION_TFTP_SERVER,
  OPTION_USER_CLASS,
  OPTION_VENDOR_CLASS,
  put32,
  sameAddress,
  type DhcpMessage,
  type Prefix,
} from '../wire';

const LEASE_SECONDS = 24 * 3600;
const OFFER_MS = 60_000;
/** An address somebody else was seen to use (DHCPDECLINE). */
const DECLINED_MS = 600_000;
const MAX_HOST_NAME = 63;

export interface DhcpOptions {
  readonly network: Prefix;
  readonly server: Uint8Array;
  /** Undefined on a network without a way out. */
  readonly router: Uint8Array | undefined;
  readonly dns: Uint8Array | undefined;
  readonly domainName: string;
  /** The guest's own address and name: what its first client gets. */
  readonly firstHost: number;
  /** The last address to give; undefined: the last of the network. */
  readonly lastHost?: number | undefined;
  readonly hostName: string;
  /** File of a network boot, which the server has; '' for none. */
  readonly bootFile: string;
}

/** An address in use. */
export interface DhcpLease {
  readonly address: string;
  readonly mac: string;
  /** As the guest calls itself: printable characters only. */
  readonly hostName: string;
  /** Wall clock is the caller's: milliseconds of the server's clock. */
  readonly expiresAt: number;
}

interface Binding {
  readonly host: number;
  readonly mac: Uint8Array;
  hostName: string;
  /** Leased, or only offered until `until`. */
  leased: boolean;
  until: number;
  /** Asked for by the firmware of the card: the operating system takes it over. */
  firmware: boolean;
}

/** An answer and where it goes. */
export interface DhcpAnswer {
  readonly message: Uint8Array;
  /** IP destination; broadcast when the client has no address yet. */
  readonly to: Uint8Array;
  readonly mac: Uint8Array;
}

function seconds(count: number): Uint8Array {
  const bytes = new Uint8Array(4);
  put32(bytes, 0, count);
  return bytes;
}

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (c) => c.charCodeAt(0) & 0x7f);
}

function printable(bytes: Uint8Array | undefined): string {
  const kept = (bytes ?? new Uint8Array()).subarray(0, MAX_HOST_NAME);
  return Array.from(kept, (byte) => String.fromCharCode(byte))
    .join('')
    .replace(/[^A-Za-z0-9._-]/g, '');
}

/** What iPXE gets instead of itself: its script, by the name that it knows. */
const IPXE_SCRIPT = 'autoexec.ipxe';
const IPXE_PROGRAM = /\.k*pxe$/;

/** iPXE calls itself so in the user class (RFC 3004), as a ROM and as what another one has started. */
function isIpxe(request: DhcpMessage): boolean {
  const name = request.options.get(OPTION_USER_CLASS) ?? new Uint8Array();
  return String.fromCharCode(...name.subarray(0, 8)).includes('iPXE');
}

/** PXE 2.1 section 2.2: how the firmware of a card calls itself. */
function isFirmware(request: DhcpMessage): boolean {
  const name = request.options.get(OPTION_VENDOR_CLASS) ?? new Uint8Array();
  return String.fromCharCode(...name.subarray(0, 9)) === 'PXEClient';
}

export class DhcpServer {
  private readonly bindings = new Map<string, Binding>();
  private readonly declined = new Map<number, number>();
  private readonly firstHost: number;
  private readonly hosts: number;

  constructor(
    private readonly options: DhcpOptions,
    private readonly now: () => number,
  ) {
    this.firstHost = options.firstHost;
    this.hosts = Math.min(2 ** (32 - options.network.bits) - 2, options.lastHost ?? 254);
  }

  get leases(): DhcpLease[] {
    return [...this.bindings.values()]
      .filter((binding) => binding.leased && binding.until > this.now())
      .map((binding) => ({
        address: formatIp(this.address(binding.host)),
        mac: formatMac(binding.mac),
        hostName: binding.hostName,
        expiresAt: binding.until,
      }));
  }

  /** The address that port forwards without one go to: the newest lease, else the first address there is to give. */
  get guestAddress(): Uint8Array {
    const leased = [...this.bindings.values()].filter((binding) => binding.leased);
    return this.address(leased[0]?.host ?? this.firstHost);
  }

  /** Answers a client's message, or not. */
  answer(request: DhcpMessage): DhcpAnswer | undefined {
    if (!isAny(request.relay)) return undefined;
    switch (request.type) {
      case DHCPDISCOVER:
        return this.discover(request);
      case DHCPREQUEST:
        return this.request(request);
      case DHCPDECLINE:
        return this.decline(request);
      case DHCPRELEASE:
        return this.release(request);
      case DHCPINFORM:
        return this.reply(request, DHCPACK, ANY_IPV4, false);
      default:
        return undefined;
    }
  }

  private discover(request: DhcpMessage): DhcpAnswer | undefined {
    const binding = this.bind(request, request.options.get(OPTION_REQUESTED_IP));
    return binding && this.reply(request, DHCPOFFER, this.address(binding.host), true);
  }

  /** RFC 2131 4.3.2: selecting, init-reboot, renewing and rebinding clients. */
  private request(request: DhcpMessage): DhcpAnswer | undefined {
    const { options, clientAddress } = request;
    const server = options.get(OPTION_SERVER_ID);
    if (server && !sameAddress(server, this.options.server)) {
      this.bindings.delete(this.clientKey(request));
      return undefined;
    }
    const wanted = options.get(OPTION_REQUESTED_IP) ?? clientAddress;
    const binding = this.bind(request, wanted);
    if (!binding || !sameAddress(this.address(binding.host), wanted))
      return this.reply(request, DHCPNAK, ANY_IPV4, false);
    binding.leased = true;
    binding.until = this.now() + LEASE_SECONDS * 1000;
    binding.hostName = printable(options.get(OPTION_HOST_NAME));
    return this.reply(request, DHCPACK, wanted, true);
  }

  private decline(request: DhcpMessage): undefined {
    const address = request.options.get(OPTION_REQUESTED_IP);
    const host = address && this.hostOf(address);
    if (host === undefined) return;
    this.declined.set(host, this.now() + DECLINED_MS);
    this.bindings.delete(this.clientKey(request));
  }

  private release(request: DhcpMessage): undefined {
    const binding = this.bindings.get(this.clientKey(request));
    if (!binding || !sameAddress(this.address(binding.host), request.clientAddress)) return;
    // The binding stays an offer: a client that comes back gets the same address.
    binding.leased = false;
    binding.until = this.now();
  }

  private clientKey(request: DhcpMessage): string {
    const id = request.options.get(OPTION_CLIENT_ID);
    return id ? `id ${id.join('.')}` : `mac ${formatMac(request.clientMac)}`;
  }

  /** The client's binding, a new one if it has none; prefers the address it asks for. */
  private bind(request: DhcpMessage, wanted: Uint8Array | undefined): Binding | undefined {
    const key = this.clientKey(request);
    const known = this.bindings.get(key) ?? this.adopt(key, request);
    if (known) {
      known.firmware = isFirmware(request);
      if (!known.leased) known.until = this.now() + OFFER_MS;
      return known;
    }
    const host = this.free(wanted);
    if (host === undefined) return undefined;
    const binding: Binding = {
      host,
      mac: request.clientMac.slice(),
      hostName: '',
      leased: false,
      until: this.now() + OFFER_MS,
      firmware: isFirmware(request),
    };
    this.bindings.set(key, binding);
    return binding;
  }

  /** What the same card has under another name, when one of the two is its firmware. */
  private adopt(key: string, request: DhcpMessage): Binding | undefined {
    for (const [other, binding] of this.bindings) {
      if (!sameAddress(binding.mac, request.clientMac)) continue;
      if (!binding.firmware && !isFirmware(request)) continue;
      this.bindings.delete(other);
      this.bindings.set(key, binding);
      return binding;
    }
    return undefined;
  }

  private free(wanted: Uint8Array | undefined): number | undefined {
    const now = this.now();
    for (const [host, until] of this.declined) if (until <= now) this.declined.delete(host);
    const taken = new Set<number>(this.declined.keys());
    for (const binding of this.bindings.values()) taken.add(binding.host);
    const asked = wanted && this.hostOf(wanted);
    if (asked !== undefined && !taken.has(asked)) return asked;
    for (let host = this.firstHost; host <= this.hosts; host++) if (!taken.has(host)) return host;
    return this.reclaim(now);
  }

  /** The place of the binding that ended first. */
  private reclaim(now: number): number | undefined {
    for (const [key, binding] of this.bindings) {
      if (binding.until > now || this.declined.has(binding.host)) continue;
      this.bindings.delete(key);
      return binding.host;
    }
    return undefined;
  }

  private address(host: number): Uint8Array<ArrayBuffer> {
    return hostAddress(this.options.network, host);
  }

  private hostOf(address: Uint8Array): number | undefined {
    const { network } = this.options;
    if (address.length !== 4 || !inPrefix(address, network)) return undefined;
    for (let host = this.firstHost; host <= this.hosts; host++)
      if (sameAddress(this.address(host), address)) return host;
    return undefined;
  }

  /** The file to boot from; iPXE that was started as that file would start itself for ever. */
  private bootFile(request: DhcpMessage): string {
    const { bootFile } = this.options;
    return isIpxe(request) && IPXE_PROGRAM.test(bootFile) ? IPXE_SCRIPT : bootFile;
  }

  private reply(
    request: DhcpMessage,
    type: number,
    yourAddress: Uint8Array,
    lease: boolean,
  ): DhcpAnswer {
    const { network, server, router, dns, domainName, hostName } = this.options;
    const bootFile = this.bootFile(request);
    const boots = bootFile !== '' && type !== DHCPNAK;
    const options: [number, Uint8Array][] = [[OPTION_SERVER_ID, server]];
    if (type !== DHCPNAK) {
      const mask = lastAddress({ address: ANY_IPV4, bits: network.bits }).map(
        (byte) => byte ^ 0xff,
      );
      options.push([OPTION_SUBNET_MASK, mask], [OPTION_BROADCAST, lastAddress(network)]);
      if (router) options.push([OPTION_ROUTER, router]);
      if (dns) options.push([OPTION_DNS, dns]);
      if (domainName !== '') options.push([OPTION_DOMAIN_NAME, ascii(domainName)]);
      if (hostName !== '') options.push([OPTION_HOST_NAME, ascii(hostName.slice(0, 63))]);
    }
    if (boots) {
      const asked = request.options.get(OPTION_PARAMETERS);
      if (asked?.includes(OPTION_TFTP_SERVER))
        options.push([OPTION_TFTP_SERVER, ascii(formatIp(server))]);
      if (asked?.includes(OPTION_BOOT_FILE)) options.push([OPTION_BOOT_FILE, ascii(bootFile)]);
    }
    if (lease)
      options.push(
        [OPTION_LEASE_TIME, seconds(LEASE_SECONDS)],
        [OPTION_RENEWAL_TIME, seconds(LEASE_SECONDS / 2)],
        [OPTION_REBINDING_TIME, seconds((LEASE_SECONDS * 7) / 8)],
      );
    const message = buildDhcpReply(request, {
      type,
      yourAddress,
      server: boots ? server : ANY_IPV4,
      bootFile: boots ? bootFile : '',
      options,
    });
    return { message, ...this.destination(request, type, yourAddress) };
  }

  /** RFC 2131 4.1: to the address it has, else to the one it gets, by broadcast when it asks for that or is refused. */
  private destination(
    request: DhcpMessage,
    type: number,
    yourAddress: Uint8Array,
  ): { to: Uint8Array; mac: Uint8Array } {
    const everyone = new Uint8Array(6).fill(0xff);
    if (type === DHCPNAK) return { to: BROADCAST_IPV4, mac: everyone };
    if (!isAny(request.clientAddress))
      return { to: request.clientAddress.slice(), mac: request.clientMac };
    if (request.broadcast) return { to: BROADCAST_IPV4, mac: everyone };
    return { to: yourAddress, mac: request.clientMac };
  }
}
