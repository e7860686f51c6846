export * from './pci-function';
