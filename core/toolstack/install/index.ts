export {
  afterInstall,
  BOOT_SECTOR_BYTES,
  installNotice,
  isBootSector,
  sameBootCode,
} from './finish';
export { ANSWER_FORMATS, answerFiles, answerFormatOf, answersSchema, seedSchema } from './answers';
export { prepareInstall, removeInstallFiles } from './prepare';
export { unattendedFormat } from './unattended';
