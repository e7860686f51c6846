/** A machine in this thread that boots Debian's kernel to a shell with driver modules: what device models are tried on. */
import { readFileSync } from 'node:fs';
import { randomFillSync } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { BUSYBOX_MARKER, guest } from '../../build/guests.mjs';
import { nodeTimers, nodeWasm } from '../../core/host-node';
import type { CharBackend } from '../../core/hw';
import { Machine, type MachineConfig } from '../../core/machine';

/** Slices between two turns of the event loop: sockets are served, nothing waits long. */
const SLICES_A_TURN = 8;

export class LinuxGuest {
  readonly machine: Machine;
  output = '';
  private commands = 0;
  private readonly serial: CharBackend;

  private constructor(
    config: Partial<MachineConfig>,
    kernel: Uint8Array,
    ramdisk: Uint8Array,
    /** Called between slices: back ends answer here, as messages do in the worker. */
    private readonly between: () => void,
  ) {
    const decoder = new TextDecoder();
    this.serial = {
      write: (bytes) => {
        this.output += decoder.decode(bytes, { stream: true });
      },
    };
    const random = (): bigint => randomFillSync(new BigUint64Array(1))[0];
    this.machine = new Machine(
      { wasm: nodeWasm, time: nodeTimers, random },
      {
        uuid: '5d8b0c4c-6d1e-4b52-9d5a-6a3b9f3d6a51',
        memoryMiB: 256,
        vcpus: 1,
        bootOrder: 'c',
        disks: [],
        serial: this.serial,
        kernel: { image: kernel, ramdisk, commandLine: 'console=ttyS0 quiet' },
        ...config,
      },
    );
  }

  /** Boots to the shell. */
  static async boot(
    config: Partial<MachineConfig>,
    between: () => void = () => undefined,
  ): Promise<LinuxGuest> {
    const kernel = readFileSync(await guest('drivers-linux'));
    const ramdisk = readFileSync(await guest('drivers-initrd.gz'));
    const linux = new LinuxGuest(config, kernel, ramdisk, between);
    linux.machine.start();
    await linux.until(BUSYBOX_MARKER, 120_000);
    await linux.until(' # ', 20_000);
    // What commands print is easier to find without prompts and echo.
    linux.type("stty -echo; PS1=''\n");
    await linux.run('true');
    return linux;
  }

  /** Runs a command line in the guest's shell and returns what it printed. */
  async run(command: string, patienceMs = 60_000): Promise<string> {
    this.output = '';
    const number = ++this.commands;
    // The shell puts the marker together: an echo of the line is not taken for it.
    this.type(`${command}\necho @''end-${number}@\n`);
    const marker = `@end-${number}@`;
    await this.until(marker, patienceMs);
    return this.output.slice(0, this.output.indexOf(marker)).replaceAll('\r', '').trim();
  }

  type(text: string): void {
    this.serial.onReceive?.(new TextEncoder().encode(text));
  }

  /** Runs the machine until its console shows `text`. */
  async until(text: string, patienceMs: number): Promise<void> {
    const deadline = Date.now() + patienceMs;
    while (!this.output.includes(text)) {
      for (let i = 0; i < SLICES_A_TURN; i++) {
        this.between();
        const result = this.machine.slice();
        if (result.state === 'stopped') throw new Error(`the machine stopped: ${result.cause}`);
        if (result.state === 'halted') break;
      }
      this.machine.flush();
      if (Date.now() > deadline) throw new Error(`no ${text} in:\n${this.output.slice(-3000)}`);
      await turn();
    }
  }
}
