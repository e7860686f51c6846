/**
 * Capability lists in configuration space.
 * Document: PCI Local Bus Specification 3.0, section 6.7 and appendix H.
 */
import { PCI_STATUS, type PciFunction } from './pci-function';

export const PCI_CAPABILITY_LIST = 0x34;
export const PCI_STATUS_CAPABILITY_LIST = 0x0010;
export const PCI_CAP_ID_MSI = 0x05;
export const PCI_CAP_ID_VENDOR = 0x09;
export const PCI_CAP_ID_SATA = 0x12;
export const PCI_CAP_ID_MSIX = 0x11;

/** Puts a capability at `offset` (a multiple of 4, at least 40h) at the head of the function's list; `body` is what follows id and next pointer. Before the function is plugged in. */
export function addCapability(
  fn: Pick<PciFunction, 'config'>,
  offset: number,
  id: number,
  body: Uint8Array | readonly number[],
): void {
  const { config } = fn;
  config[offset] = id;
  config[offset + 1] = config[PCI_CAPABILITY_LIST];
  config.set(body, offset + 2);
  config[PCI_CAPABILITY_LIST] = offset;
  config[PCI_STATUS] |= PCI_STATUS_CAPABILITY_LIST;
}
