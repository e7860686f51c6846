export { clip, DirtyRegion, union, type Rectangle } from './dirty-region';
export { Framebuffer, FRAMEBUFFER_BYTES } from './framebuffer';
export { Keymap, type Keystroke } from './keymap';
export { RfbSession, type RfbInput, type RfbOptions, type RfbTransport } from './rfb/session';
export type { RfbScreen } from './rfb/tile';
