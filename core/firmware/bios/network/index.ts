export { INT1A_PXE, NetworkBoot, type NetworkBootState } from './network-boot';
