import { DomusError, type NetworkConfig, type VifConfig } from '../../api';
import type { FileHost, FrameLinkHost, TimerHost } from '../../host';
import { DEFAULT_NETWORK, NETWORK_NAME_PATTERN, networkSchema } from '../config';
import { FIRST_GUEST_HOST, networkProblem } from './gateway';
import { NetworkHub } from './hub';

const MAX_NETWORK_BYTES = 64 << 10;

/** The networks that are always there. */
export const BUILT_IN_NETWORKS: readonly NetworkConfig[] = [
  {
    name: DEFAULT_NETWORK,
    mode: 'nat',
    shared: false,
    subnet: '10.0.2.0/24',
    subnet6: 'fd00:d0:2::/64',
    lan: false,
    rules: [],
  },
  {
    name: 'host-only',
    mode: 'host-only',
    shared: true,
    subnet: '10.0.3.0/24',
    subnet6: '',
    lan: false,
    rules: [],
  },
  {
    name: 'isolated',
    mode: 'isolated',
    shared: true,
    subnet: '10.0.4.0/24',
    subnet6: '',
    lan: false,
    rules: [],
  },
];

/** A card's place on a network, as its domain process is told. */
export interface PluggedVif {
  readonly network: NetworkConfig;
  /** The socket of its switch port; null where it shares the network with no other domain. */
  readonly uplink: string | null;
  /** Host part of the address that DHCP gives it. */
  readonly guestHost: number;
}

/** The same while it is held; `release` gives it back. */
export interface HeldVif extends PluggedVif {
  release(): void;
}

function findIn(networks: Iterable<NetworkConfig>, name: string): NetworkConfig {
  const all = [...networks];
  const network = all.find((candidate) => candidate.name === name);
  if (network) return network;
  const names = all.map((candidate) => candidate.name).join(', ');
  throw new DomusError('INVALID_CONFIG', `there is no network '${name}'; there are: ${names}`);
}

/** A place on a network that is always there, alone: for a domain without a toolstack. */
export async function plugInAlone(vif: VifConfig): Promise<HeldVif> {
  return {
    network: findIn(BUILT_IN_NETWORKS, vif.bridge),
    uplink: null,
    guestHost: FIRST_GUEST_HOST,
    release: () => undefined,
  };
}

export interface NetworksHost {
  readonly files: FileHost;
  readonly frameLinks: FrameLinkHost;
  readonly timers: TimerHost;
  readonly system: { readonly pid: number };
}

/** All networks of a data directory: those that are always there, and `networks/NAME.json`. */
export class Networks {
  private readonly networks = new Map(BUILT_IN_NETWORKS.map((network) => [network.name, network]));
  private readonly hub: NetworkHub;
  private readonly directory: string;

  constructor(
    private readonly host: NetworksHost,
    dataDir: string,
  ) {
    this.directory = `${dataDir}/networks`;
    this.hub = new NetworkHub(host, `${dataDir}/run/net`, host.system.pid);
  }

  get list(): NetworkConfig[] {
    return [...this.networks.values()];
  }

  /** Reads what is defined; a file that cannot be read is left alone and reported. */
  async load(onProblem: (message: string) => void): Promise<void> {
    const { files } = this.host;
    for (const file of await files.list(this.directory)) {
      const name = file.endsWith('.json') ? file.slice(0, -5) : '';
      if (!NETWORK_NAME_PATTERN.test(name)) continue;
      try {
        const text = await files.readText(`${this.directory}/${file}`, MAX_NETWORK_BYTES);
        const network = networkSchema.parse(JSON.parse(text));
        const problem = networkProblem(network);
        if (problem !== undefined || network.name !== name)
          throw new Error(problem ?? `it is called ${network.name} inside`);
        this.networks.set(name, network);
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause);
        onProblem(`the stored network ${name} cannot be used: ${why.slice(0, 300)}`);
      }
    }
  }

  /** @throws DomusError when there is none of that name. */
  find(name: string): NetworkConfig {
    return findIn(this.networks.values(), name);
  }

  /** Stores a network, new or changed; cards that are plugged in see the change at their next start. */
  async define(network: NetworkConfig): Promise<NetworkConfig> {
    const problem = networkProblem(network);
    if (problem !== undefined) throw new DomusError('INVALID_CONFIG', problem);
    const folder = network.boot && (await this.host.files.stat(network.boot.folder));
    if (network.boot && folder?.kind !== 'directory')
      throw new DomusError(
        'INVALID_CONFIG',
        `there is no folder ${network.boot.folder} to boot from`,
      );
    await this.host.files.makeDirectory(this.directory);
    const text = `${JSON.stringify(network, undefined, 2)}\n`;
    await this.host.files.writeText(`${this.directory}/${network.name}.json`, text);
    this.networks.set(network.name, network);
    return network;
  }

  /** Removes a network; one that is always there gets its defaults back. */
  async remove(name: string): Promise<void> {
    const network = this.find(name);
    if (this.hub.users(network.name) > 0)
      throw new DomusError('BAD_STATE', `domains are running on the network ${name}`);
    await this.host.files.remove(`${this.directory}/${name}.json`);
    const builtIn = BUILT_IN_NETWORKS.find((candidate) => candidate.name === name);
    if (builtIn) this.networks.set(name, builtIn);
    else this.networks.delete(name);
  }

  /** Gives a card its place. @throws DomusError */
  async plugIn(vif: VifConfig): Promise<HeldVif> {
    const network = this.find(vif.bridge);
    const held = await this.hub.plug(network, vif.mac);
    const { path, guestHost } = held;
    return { network, uplink: path, guestHost, release: () => held.release() };
  }
}
