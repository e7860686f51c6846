export { AhciHba } from './ahci-hba';
