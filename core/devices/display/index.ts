export { CP437, vgaFonts, type VgaFonts } from './font';
export {
  DISPI_PORT_BASE,
  DISPI_PORT_COUNT,
  Vga,
  VRAM_BYTES,
  type VgaCapabilities,
  type VgaState,
} from './vga';
export { VGA_WINDOW_BYTES } from './vga-memory';
export { VGA_PORT_BASE, VGA_PORT_COUNT } from './vga-regs';
