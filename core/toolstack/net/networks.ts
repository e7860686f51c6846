import { DomusError, type NetworkConfig } from '../../api';
import { DEFAULT_NETWORK } from '../config';

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
    shared: false,
    subnet: '10.0.3.0/24',
    subnet6: '',
    lan: false,
    rules: [],
  },
];

/** A network that is always there, by name. @throws DomusError when there is none of that name. */
export function builtInNetwork(name: string): NetworkConfig {
  const network = BUILT_IN_NETWORKS.find((candidate) => candidate.name === name);
  if (network) return network;
  const names = BUILT_IN_NETWORKS.map((candidate) => candidate.name).join(', ');
  throw new DomusError('INVALID_CONFIG', `there is no network '${name}'; there are: ${names}`);
}
