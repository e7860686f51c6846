export { AtaDisk, type AtaDiskConfig, type AtaDiskState } from './ata-disk';
export { AtapiCdrom, type AtapiCdromConfig, type AtapiCdromState } from './atapi-cdrom';
export type { DmaEngine } from './bus-master';
export type { IdeChannel, IdeDrive } from './ide-channel';
export { Piix3Ide, type Piix3IdeCapabilities, type Piix3IdeState } from './piix3-ide';
