export * from './capabilities';
export * from './msi';
export { PciBus, type PciBusState } from './pci-bus';
export * from './pci-function';
export { PciHostI440fx } from './pci-host-i440fx';
export { Piix3Isa } from './piix3-isa';
