import { DomusError, type DomainConfig, type VifInfo } from '../../api';
import { nodeFiles, nodeFrameLinks, nodeNetwork, nodeTimers } from '../../host-node';
import type { PluggedVif } from '../net';
import { openCaptureFile } from './capture-file';
import type { ToWorker } from './worker-messages';
import { VifPort } from './vif-port';

/** What cards tell the guest's worker. */
export interface GuestLine {
  post(message: ToWorker): void;
  wakeForFrames(): void;
}

/** The network cards of one domain, in the event loop. */
export class DomainNetworks {
  private readonly ports: readonly VifPort[];
  /** Set when the guest's worker can be told things. */
  private guest: GuestLine | undefined;
  private waking = false;

  private constructor(
    config: DomainConfig,
    plugged: readonly PluggedVif[],
    notice: (message: string) => void,
  ) {
    this.ports = config.vif.map((vif, index) => {
      const place = plugged[index];
      if (!place)
        throw new DomusError('INVALID_CONFIG', `there is no network ${vif.bridge} for ${vif.mac}`);
      return new VifPort(index, vif, place, {
        network: nodeNetwork,
        timers: nodeTimers,
        frameLinks: nodeFrameLinks,
        files: nodeFiles,
        notice,
        hostName: config.name.replace(/[^A-Za-z0-9-]/g, '-'),
        wakeGuest: () => this.wakeGuest(),
        linkChanged: (up) => this.guest?.post({ type: 'network-link', vif: index, up }),
      });
    });
  }

  /** Makes the networks of a domain and opens its port forwards. Rejects with a DomusError. */
  static async open(
    config: DomainConfig,
    plugged: readonly PluggedVif[],
    notice: (message: string) => void,
  ): Promise<DomainNetworks> {
    const opened = new DomainNetworks(config, plugged, notice);
    try {
      for (const port of opened.ports) await port.open();
      return opened;
    } catch (cause) {
      await opened.close();
      const message = cause instanceof Error ? cause.message : String(cause);
      throw new DomusError(
        'BAD_STATE',
        `the network of ${config.name} fails: ${message}`,
        undefined,
        {
          cause,
        },
      );
    }
  }

  /** What the worker gets. */
  get shared(): VifPort['shared'][] {
    return this.ports.map((port) => port.shared);
  }

  get info(): VifInfo[] {
    return this.ports.map((port) => port.info);
  }

  /** Bytes to the guest and from it, since the start. */
  get traffic(): { netRxBytes: number; netTxBytes: number } {
    let [netRxBytes, netTxBytes] = [0, 0];
    for (const { traffic } of this.ports) {
      netRxBytes += traffic.rxBytes;
      netTxBytes += traffic.txBytes;
    }
    return { netRxBytes, netTxBytes };
  }

  connect(guest: GuestLine): void {
    this.guest = guest;
  }

  /** At the end of what the event loop is at: the guest finds all frames of a batch at once. */
  private wakeGuest(): void {
    if (this.waking) return;
    this.waking = true;
    queueMicrotask(() => {
      this.waking = false;
      this.guest?.wakeForFrames();
    });
  }

  /** A card's ring has frames, or room. */
  handle(message: { type: 'network' | 'network-space'; vif: number }): void {
    const port = this.ports[message.vif];
    if (message.type === 'network') port?.drain();
    else port?.roomAgain();
  }

  setLink(devid: number, up: boolean): void {
    this.port(devid).setLink(up);
  }

  /** Writes a card's frames to a new file; '' ends that. Rejects with a DomusError. */
  async capture(devid: number, path: string): Promise<void> {
    const port = this.port(devid);
    await port.endCapture();
    if (path === '') return;
    try {
      port.startCapture(path, await openCaptureFile(nodeFiles, path));
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      throw new DomusError(
        'BAD_STATE',
        `nothing can be captured to ${path}: ${message}`,
        undefined,
        {
          cause,
        },
      );
    }
  }

  private port(devid: number): VifPort {
    const port = this.ports[devid];
    if (!port) throw new DomusError('INVALID_CONFIG', `there is no network card ${devid}`);
    return port;
  }

  setPaused(paused: boolean): void {
    for (const port of this.ports) port.setPaused(paused);
  }

  reset(): void {
    for (const port of this.ports) port.reset();
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.ports.map((port) => port.close()));
  }
}
