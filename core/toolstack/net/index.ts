export { egressOptions, FIRST_GUEST_HOST, gatewayAddresses, networkProblem } from './gateway';
export { BUILT_IN_NETWORKS, builtInNetwork } from './networks';
