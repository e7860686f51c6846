export { VirtioBlk } from './virtio-blk';
export { VirtioNet } from './virtio-net';
export { VirtioPci } from './virtio-pci';
