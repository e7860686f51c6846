export { Keymap, type Keystroke } from './keymap';
export {
  RfbSession,
  type Rectangle,
  type RfbInput,
  type RfbOptions,
  type RfbScreen,
  type RfbTransport,
} from './rfb/session';
