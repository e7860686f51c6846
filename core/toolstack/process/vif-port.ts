import { randomBytes } from 'node:crypto';
import type { VifConfig, VifInfo } from '../../api';
import type { FileHost, FrameLink, FrameLinkHost, NetworkHost, TimerHost } from '../../host';
import { OFFLOAD_NONE, type FrameOffload } from '../../hw';
import { Capture, parseMac, UserNat, type CaptureSink, type PortForward } from '../../net';
import { bootFileOf, bootFolder, egressOptions, gatewayAddresses, type PluggedVif } from '../net';
import { createFrameRing, FrameRing } from './frame-ring';
import type { SharedVif } from './worker-messages';

/** Largest capture file. */
const MAX_CAPTURE_BYTES = 1 << 30;
/** Frames taken from the guest before others get their turn in the event loop. */
const BATCH_FRAMES = 256;

export interface VifServices {
  readonly network: NetworkHost;
  readonly timers: TimerHost;
  readonly frameLinks: FrameLinkHost;
  readonly files: FileHost;
  /** The domain's name, which DHCP tells the guest. */
  readonly hostName: string;
  /** Tells the worker that frames lie in the ring. */
  wakeGuest(): void;
  linkChanged(up: boolean): void;
  /** Tells the user of something that went wrong. */
  notice(message: string): void;
}

/** One network card's cable in the event loop: rings to the card on one side, the network on the other. */
export class VifPort {
  readonly shared: SharedVif;
  private readonly fromGuest: FrameRing;
  private readonly toGuest: FrameRing;
  private readonly gateway: UserNat | undefined;
  private readonly mac: Uint8Array;
  private readonly gatewayMac: Uint8Array | undefined;
  private uplink: FrameLink | undefined;
  private capture: { readonly file: Capture; readonly path: string } | undefined;
  private readonly counters = { rxBytes: 0, txBytes: 0, rxFrames: 0, txFrames: 0, dropped: 0 };
  private forwards: VifInfo['forwards'] = [];
  private linkUp: boolean;
  private draining = false;
  private closed = false;

  constructor(
    private readonly devid: number,
    private readonly config: VifConfig,
    private readonly place: PluggedVif,
    private readonly services: VifServices,
  ) {
    const toLoop = createFrameRing();
    const toGuest = createFrameRing();
    this.linkUp = config.link;
    this.shared = { mac: config.mac, model: config.model, linkUp: config.link, toLoop, toGuest };
    this.fromGuest = new FrameRing(toLoop);
    this.toGuest = new FrameRing(toGuest);
    this.mac = parseMac(config.mac) ?? new Uint8Array(6);
    const { network, guestHost, uplink } = place;
    if (network.mode === 'isolated') return;
    const addresses = gatewayAddresses(network);
    this.gatewayMac = addresses.mac;
    this.gateway = new UserNat(
      {
        network: services.network,
        timers: services.timers,
        random32: () => randomBytes(4).readUInt32LE(0),
      },
      {
        addresses,
        firstHost: guestHost,
        ...(uplink === null ? {} : { lastHost: guestHost }),
        domainName: '',
        hostName: services.hostName,
        egress: egressOptions(network),
        ...(network.boot && {
          boot: {
            fileName: bootFileOf(network.boot, services.hostName),
            folder: bootFolder(services.files, network.boot.folder),
          },
        }),
      },
      (frame, offload) => this.send(frame, offload),
      () => (this.capture ? 0 : this.toGuest.takes),
    );
    this.offerOffload();
  }

  /** Plugs into the switch and opens the port forwards; rejects with a NetworkError when one cannot be had. */
  async open(): Promise<void> {
    if (this.place.uplink !== null) await this.join(this.place.uplink);
    const { gateway } = this;
    if (!gateway) return;
    for (const forward of this.config.forwards) {
      const { protocol, hostAddress, hostPort, guestAddress, guestPort } = forward;
      const rule: PortForward = {
        protocol,
        hostAddress,
        hostPort,
        guestPort,
        ...(guestAddress === '' ? {} : { guestAddress }),
      };
      const bound = await gateway.forward(rule);
      this.forwards = [
        ...this.forwards,
        { protocol, hostAddress, hostPort: bound.port, guestPort },
      ];
    }
  }

  get traffic(): { readonly rxBytes: number; readonly txBytes: number } {
    return this.counters;
  }

  get info(): VifInfo {
    const { mac, model, bridge } = this.config;
    const { gateway } = this;
    const inNat = gateway ? gateway.counters.dropped + gateway.undelivered : 0;
    return {
      devid: this.devid,
      mac,
      model,
      bridge,
      link: this.linkUp,
      leases: (gateway?.leases ?? []).map(({ address, mac: of, hostName }) => ({
        address,
        mac: of,
        hostName,
      })),
      forwards: this.forwards,
      connections: gateway?.connections.length ?? 0,
      udpMappings: gateway?.udpMappings ?? 0,
      ...this.counters,
      dropped: this.counters.dropped + inNat,
      denials: (gateway?.denials ?? []).map((denial) => ({ ...denial })),
      capture: this.capture?.path ?? '',
    };
  }

  /** Takes what the guest has sent; goes on in a later turn of the event loop when it is much. */
  drain(): void {
    if (this.closed || this.draining) return;
    this.fromGuest.beginRead();
    for (let count = 0; count < BATCH_FRAMES; count++) {
      const frame = this.fromGuest.peek();
      if (!frame) return this.gateway?.flush();
      this.receive(frame, this.fromGuest.offload);
      this.fromGuest.take();
    }
    this.gateway?.flush();
    this.draining = true;
    setImmediate(() => {
      this.draining = false;
      this.drain();
    });
  }

  /** The ring to the guest has room again. */
  roomAgain(): void {
    if (!this.closed) this.gateway?.roomAgain();
  }

  setLink(up: boolean): void {
    if (up === this.linkUp) return;
    this.linkUp = up;
    this.services.linkChanged(up);
    if (up) this.gateway?.roomAgain();
  }

  setPaused(paused: boolean): void {
    if (!this.closed) this.gateway?.setPaused(paused);
  }

  /** The guest starts anew: its connections are gone. */
  reset(): void {
    this.gateway?.reset();
  }

  async close(): Promise<void> {
    this.closed = true;
    this.gateway?.close();
    this.uplink?.close();
    await this.endCapture();
  }

  /** From now on frames go to a pcapng file too. */
  startCapture(path: string, sink: CaptureSink): void {
    const failed = (cause: unknown): void => {
      const message = cause instanceof Error ? cause.message : String(cause);
      this.services.notice(`the capture to ${path} ended: ${message}`);
    };
    const { timers } = this.services;
    const file = new Capture(
      sink,
      `vif${this.devid} ${this.config.mac}`,
      'Domus',
      () => timers.wallMs(),
      MAX_CAPTURE_BYTES,
      failed,
    );
    this.capture = { file, path };
    this.offerOffload();
  }

  async endCapture(): Promise<void> {
    const ended = this.capture;
    this.capture = undefined;
    this.offerOffload();
    await ended?.file.close();
  }

  /** The gateway takes TCP from the guest in large pieces; a switch and a capture want frames as they are on a wire. */
  private offerOffload(): void {
    const isTaken = this.gateway && this.place.uplink === null && !this.capture;
    this.fromGuest.takes = isTaken ? 1 : 0;
  }

  private async join(path: string): Promise<void> {
    const link = await this.services.frameLinks.connect(path, {
      onFrame: (frame) => this.fromSwitch(frame),
      onSpace: () => undefined,
      onClose: () => {
        this.uplink = undefined;
      },
    });
    if (this.closed) link.close();
    else this.uplink = link;
  }

  /** From other domains; each has a gateway of its own, and none may speak for ours. */
  private fromSwitch(frame: Uint8Array): void {
    const source = frame.subarray(6, 12);
    if (this.gatewayMac && sameMac(source, this.gatewayMac)) return;
    if (!this.send(frame)) this.counters.dropped++;
  }

  private receive(frame: Uint8Array, offload: FrameOffload): void {
    if (!this.linkUp) return;
    this.counters.txFrames++;
    this.counters.txBytes += frame.length;
    this.capture?.file.record(frame, true);
    const destination = frame.subarray(0, 6);
    const isGroup = (destination[0] & 1) === 1;
    const isToGateway = this.gatewayMac !== undefined && sameMac(destination, this.gatewayMac);
    if (isGroup || isToGateway || !this.uplink) this.gateway?.receive(frame, offload);
    if (!this.uplink || isToGateway || offload !== OFFLOAD_NONE) return;
    // The switch would refuse other source addresses; it need not see them.
    const isOwn = sameMac(frame.subarray(6, 12), this.mac);
    if (!isOwn || !this.uplink.send(frame)) this.counters.dropped++;
  }

  private send(frame: Uint8Array, offload: FrameOffload = OFFLOAD_NONE): boolean {
    if (!this.linkUp || this.closed) return true;
    if (!this.toGuest.push(frame, offload)) return false;
    this.counters.rxFrames++;
    this.counters.rxBytes += frame.length;
    this.capture?.file.record(frame, false);
    if (this.toGuest.shouldSignal()) this.services.wakeGuest();
    return true;
  }
}

function sameMac(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < 6; i++) if (a[i] !== b[i]) return false;
  return true;
}
