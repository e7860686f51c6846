export { bootFolder, bootFileOf } from './boot-folder';
export { egressOptions, gatewayAddresses, networkProblem } from './gateway';
export {
  BUILT_IN_NETWORKS,
  Networks,
  plugInAlone,
  type HeldVif,
  type NetworksHost,
  type PluggedVif,
} from './networks';
