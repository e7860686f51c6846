/// <reference types="vite/client" />
import type { DomusBridge } from '../core/api';

declare global {
  interface Window {
    readonly domus: DomusBridge;
  }
}
