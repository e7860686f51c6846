import { DomusError, type NetworkConfig } from '../../api';
import type { FrameLinkHost, FrameSocket, TimerHost } from '../../host';
import { EthernetSwitch } from '../../net';
import { FIRST_GUEST_HOST } from './gateway';

/** Host parts that guests of a shared network get: 15 to 254. */
const LAST_GUEST_HOST = 254;

/** A card's way into its network, as the domain process is told of it. */
export interface VifUplink {
  /** The socket to connect to; null where domains do not reach each other. */
  readonly path: string | null;
  /** Host part of the address DHCP gives, and whether it is the only one. */
  readonly guestHost: number;
}

/** An uplink that is held open for a domain. */
export interface HeldUplink extends VifUplink {
  release(): void;
}

interface SharedNetwork {
  readonly bridge: EthernetSwitch;
  /** Cards on it, or that were, by their place among the guests: an address stays a card's. */
  readonly hosts: Map<string, number>;
  users: number;
}

/**
 * The switches between domains. They look at the two addresses of a frame and no further; everything else of a
 * network runs in the domain processes, each with a gateway of its own that looks the same.
 */
export class NetworkHub {
  private readonly networks = new Map<string, SharedNetwork>();
  private nextSocket = 1;

  constructor(
    private readonly host: { readonly frameLinks: FrameLinkHost; readonly timers: TimerHost },
    /** Where sockets go; only this user can reach it. */
    private readonly directory: string,
    private readonly pid: number,
  ) {}

  /** Gives a card its port on the network. @throws DomusError when the network is full. */
  async plug(network: NetworkConfig, mac: string): Promise<HeldUplink> {
    if (!network.shared)
      return { path: null, guestHost: FIRST_GUEST_HOST, release: () => undefined };
    const shared = this.shared(network.name);
    const guestHost = this.hostOf(shared, mac, network.name);
    shared.users++;
    const path = `${this.directory}/${this.pid}.${this.nextSocket++}.sock`;
    let socket: FrameSocket | undefined;
    let unplug = (): void => undefined;
    let released = false;
    const release = (): void => {
      if (released) return;
      released = true;
      socket?.close();
      unplug();
      shared.users--;
    };
    try {
      socket = await this.host.frameLinks.listen(path, (link) => {
        const port = shared.bridge.plug({ deliver: (frame) => link.send(frame) }, { mac });
        unplug = () => {
          port.unplug();
          link.close();
        };
        return {
          onFrame: (frame) => port.send(frame),
          onSpace: () => port.resume(),
          onClose: () => port.unplug(),
        };
      });
    } catch (cause) {
      release();
      throw new DomusError(
        'SOCKET_PATH',
        `the network ${network.name} cannot be joined`,
        undefined,
        {
          cause,
        },
      );
    }
    return { path, guestHost, release };
  }

  /** How many cards are on a network. */
  users(name: string): number {
    return this.networks.get(name)?.users ?? 0;
  }

  private shared(name: string): SharedNetwork {
    const known = this.networks.get(name);
    if (known) return known;
    const { timers } = this.host;
    const made: SharedNetwork = {
      bridge: new EthernetSwitch(() => timers.monotonicMs()),
      hosts: new Map(),
      users: 0,
    };
    this.networks.set(name, made);
    return made;
  }

  private hostOf(network: SharedNetwork, mac: string, name: string): number {
    const known = network.hosts.get(mac);
    if (known !== undefined) return known;
    const taken = new Set(network.hosts.values());
    for (let host = FIRST_GUEST_HOST; host <= LAST_GUEST_HOST; host++) {
      if (taken.has(host)) continue;
      network.hosts.set(mac, host);
      return host;
    }
    throw new DomusError('BAD_STATE', `the network ${name} has no address left`);
  }
}
