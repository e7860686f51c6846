export { E1000 } from './e1000';
export { Ne2kPci } from './ne2k-pci';
export { Rtl8139 } from './rtl8139';
