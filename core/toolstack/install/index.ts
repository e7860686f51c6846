export {
  afterInstall,
  BOOT_SECTOR_BYTES,
  installNotice,
  isBootSector,
  sameBootCode,
} from './finish';
