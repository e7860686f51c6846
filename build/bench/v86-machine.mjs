// A machine of v86 (npm `v86`) in Node, its first serial port on standard input and output.
//   node build/bench/v86-machine.mjs '{"bios": PATH, "vgaBios": PATH, "kernel": PATH, "ramdisk": PATH, ...}'
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { V86 } from 'v86';

const config = JSON.parse(process.argv[2]);
const wasm = fileURLToPath(new URL('v86.wasm', import.meta.resolve('v86')));

/** Files are given as bytes: its own loader is for browsers. */
const file = (path) => {
  const { buffer, byteOffset, byteLength } = readFileSync(path);
  return { buffer: buffer.slice(byteOffset, byteOffset + byteLength) };
};

const machine = new V86({
  wasm_path: wasm,
  memory_size: config.memoryBytes,
  vga_memory_size: 8 << 20,
  bios: file(config.bios),
  vga_bios: file(config.vgaBios),
  bzimage: file(config.kernel),
  initrd: file(config.ramdisk),
  cmdline: config.commandLine,
  acpi: true,
  disable_keyboard: true,
  disable_mouse: true,
  disable_speaker: true,
  autostart: true,
});

machine.add_listener('serial0-output-byte', (byte) => process.stdout.write(Buffer.of(byte)));
process.stdin.on('data', (bytes) => machine.serial_send_bytes(0, bytes));
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0));
