/**
 * `vif=` entries, xl-network-configuration(5), Xen 4.17: comma-separated `key=value` words. Keys of our own:
 * `hostfwd=tcp:ADDRESS:PORT-ADDRESS:PORT` (QEMU's spelling, may be repeated) and `link=up|down`.
 * Missing: rate=, script=, backends in other domains.
 */
import type { NicModel, PortForwardConfig, SourcePosition, VifConfig } from '../../api';
import { configError } from './tokens';

/** The network of a card that names none. */
export const DEFAULT_NETWORK = 'nat';
export const DEFAULT_MODEL: NicModel = 'e1000';
/** Xen's organisationally unique identifier: addresses that xl makes up start with it. */
const XEN_OUI = '00:16:3e';

const MODELS: Readonly<Record<string, NicModel>> = {
  e1000: 'e1000',
  rtl8139: 'rtl8139',
  ne2k_pci: 'ne2k_pci',
  'virtio-net': 'virtio-net',
  'virtio-net-pci': 'virtio-net',
  virtio: 'virtio-net',
};
/** Bridges of a Xen or libvirt host: what they lead to there is the default network here. */
const HOST_BRIDGE = /^(?:xenbr|virbr|xapi|br|eth)\d+$/;
const MAC = /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/;
/** Words that change nothing here. */
const IGNORED = new Set([
  'type',
  'vifname',
  'backend',
  'gatewaydev',
  'script',
  'devid',
  'trusted',
  'accel',
]);
const WITHOUT_EFFECT = new Set(['ip', 'rate', 'mtu']);

type Warn = (position: SourcePosition, message: string) => void;

/** A MAC address that stays the same as long as the domain's name and the place of the card do. */
export function defaultMac(name: string, index: number): string {
  // FNV-1a over the identity: spread, not secret.
  let hash = 0x811c9dc5;
  for (const c of `${name}/${index}`) hash = Math.imul(hash ^ c.charCodeAt(0), 0x01000193) >>> 0;
  const bytes = [(hash >> 16) & 0x7f, (hash >> 8) & 0xff, hash & 0xff];
  return [XEN_OUI, ...bytes.map((byte) => byte.toString(16).padStart(2, '0'))].join(':');
}

/** `tcp:127.0.0.1:2222-10.0.2.15:22`; addresses may be left out. Undefined when malformed. */
export function parseForward(text: string): PortForwardConfig | undefined {
  const address = String.raw`(\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-fA-F:.]+\])?`;
  const match = new RegExp(`^(tcp|udp):${address}:(\\d{1,5})-${address}:(\\d{1,5})$`).exec(text);
  const [, protocol, host = '127.0.0.1', hostPort, guest = '', guestPort] = match ?? [];
  if (protocol !== 'tcp' && protocol !== 'udp') return undefined;
  const ports = [Number(hostPort), Number(guestPort)];
  if (ports[0] > 65535 || ports[1] > 65535 || ports[1] === 0) return undefined;
  const bare = (part: string): string => part.replace(/^\[|\]$/g, '');
  return {
    protocol,
    hostAddress: bare(host),
    hostPort: ports[0],
    guestAddress: bare(guest),
    guestPort: ports[1],
  };
}

export function formatForward(forward: PortForwardConfig): string {
  const { protocol, hostAddress, hostPort, guestAddress, guestPort } = forward;
  const bracketed = (part: string): string => (part.includes(':') ? `[${part}]` : part);
  const host = hostAddress === '127.0.0.1' ? '' : bracketed(hostAddress);
  return `${protocol}:${host}:${hostPort}-${bracketed(guestAddress)}:${guestPort}`;
}

function model(text: string, position: SourcePosition): NicModel {
  const found = MODELS[text];
  if (found) return found;
  throw configError(
    position,
    `the network card '${text}' is not known; it is e1000, rtl8139, ne2k_pci or virtio-net`,
  );
}

function bridge(text: string, position: SourcePosition, warn: Warn): string {
  if (!HOST_BRIDGE.test(text)) return text;
  warn(
    position,
    `there is no bridge ${text} here; the network '${DEFAULT_NETWORK}' takes its place`,
  );
  return DEFAULT_NETWORK;
}

function word(vif: VifConfig, key: string, value: string, at: SourcePosition, warn: Warn): void {
  if (key === 'mac') {
    const mac = value.toLowerCase();
    if (!MAC.test(mac)) throw configError(at, `'${value}' is not a MAC address: 00:16:3e:12:34:56`);
    if ((parseInt(mac.slice(0, 2), 16) & 1) === 1)
      throw configError(at, `'${value}' is a group address; a card has one of its own`);
    vif.mac = mac;
  } else if (key === 'bridge') vif.bridge = bridge(value, at, warn);
  else if (key === 'model') vif.model = model(value, at);
  else if (key === 'link') {
    if (value !== 'up' && value !== 'down')
      throw configError(at, `link is up or down, not '${value}'`);
    vif.link = value === 'up';
  } else if (key === 'hostfwd') {
    const forward = parseForward(value);
    if (!forward)
      throw configError(
        at,
        `'${value}' is not a port forward: hostfwd=tcp:127.0.0.1:2222-:22 leads port 2222 of this computer to port 22 of the guest`,
      );
    vif.forwards.push(forward);
  } else if (WITHOUT_EFFECT.has(key)) warn(at, `'${key}' of a vif has no effect here`);
  else if (!IGNORED.has(key)) throw configError(at, `'${key}' is not part of a vif specification`);
}

/** Reads one `vif=` entry whose first character stands at `position`. `mac` is what a card without one gets. */
export function parseVifSpec(
  spec: string,
  position: SourcePosition,
  mac: string,
  warn: Warn,
): VifConfig {
  const vif: VifConfig = {
    mac,
    model: DEFAULT_MODEL,
    bridge: DEFAULT_NETWORK,
    link: true,
    forwards: [],
  };
  let column = position.column;
  for (const part of spec.split(',')) {
    const text = part.trim();
    const at = { ...position, column: column + (part.length - part.trimStart().length) };
    column += part.length + 1;
    if (text === '') continue;
    const equals = text.indexOf('=');
    if (equals < 0) throw configError(at, `'${text}' is not a key=value word of a vif`);
    word(vif, text.slice(0, equals).trim(), text.slice(equals + 1).trim(), at, warn);
  }
  return vif;
}

/** The `vif=` entry of a card. */
export function formatVifSpec(vif: VifConfig): string {
  const words = [`mac=${vif.mac}`, `bridge=${vif.bridge}`, `model=${vif.model}`];
  if (!vif.link) words.push('link=down');
  for (const forward of vif.forwards) words.push(`hostfwd=${formatForward(forward)}`);
  return words.join(', ');
}
