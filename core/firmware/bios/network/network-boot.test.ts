import { describe, expect, it } from 'vitest';
import { arrayBackend } from '../../../../test/support/bios-board';
import { NetworkBench, PARAMETERS } from '../../../../test/support/bios-network';

const GATEWAY = [10, 0, 2, 2];
const CONVENTIONAL_END = 0x9e800;

function program(bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, i) => (i * 5 + (i >> 8)) & 0xff);
}

function disk() {
  const bytes = new Uint8Array(1 << 20).fill(0x90, 0, 510);
  bytes.set([0x55, 0xaa], 510);
  return { kind: 'hdd', name: 'hda', backend: arrayBackend(bytes), channel: 0, unit: 0 } as const;
}

async function booted(bytes = program(3000)): Promise<NetworkBench> {
  const network = new NetworkBench();
  network.files.set('boot.0', bytes);
  await network.boot();
  return network;
}

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;
const word = (value: number): number[] => [value & 0xff, value >> 8];
const name = (text: string): number[] => [...Buffer.from(text.padEnd(128, '\0'), 'latin1')];

describe('booting from the network (PXE 2.1)', () => {
  it('gets an address and a file, and enters it at 0000:7C00 with !PXE and PXENV+', async () => {
    const { bench, screen } = await booted();
    const { memory, registers } = bench;
    expect(same(memory.read(0x7c00, 3000), program(3000))).toBe(true);
    expect(screen).toContain(
      'Booting from network (00:16:3e:01:02:03, Esc skips)... 10.0.2.15, boot.0 from 10.0.2.2...',
    );
    // The IRET frame, then what the program finds on its stack: return address, !PXE.
    const sp = registers.get32('rsp');
    expect([2, 4].map((at) => memory.readU16(sp + at))).toEqual([0x7c00, 0]);
    const [returnOffset, returnSegment, bangOffset, bangSegment] = [8, 10, 12, 14].map((at) =>
      memory.readU16(sp + at),
    );
    expect([returnOffset, returnSegment]).toEqual([bench.bios.rom.code.bootNext, 0xf000]);
    const bang = bangSegment * 16 + bangOffset;
    expect(Buffer.from(memory.read(bang, 4)).toString()).toBe('!PXE');
    const sum = (at: number, length: number): number =>
      memory.read(at, length).reduce((total, byte) => total + byte, 0) & 0xff;
    expect(sum(bang, memory.readU8(bang + 4))).toBe(0);
    expect(memory.readU16(bang + 0x10)).toBe(bench.bios.rom.code.pxeEntry);

    const env = registers.getSegment('es').selector * 16 + bench.bx;
    expect(Buffer.from(memory.read(env, 6)).toString()).toBe('PXENV+');
    expect([memory.readU16(env + 6), memory.readU8(env + 8)]).toEqual([0x201, 0x2c]);
    expect(sum(env, 0x2c)).toBe(0);
    expect(memory.readU16(env + 0x2a) * 16 + memory.readU16(env + 0x28)).toBe(bang);

    expect(bench.call(0x1a, { rax: 0x5650 }).carry).toBe(false);
    expect(bench.ax).toBe(0x564e);
    expect(registers.getSegment('es').selector * 16 + bench.bx).toBe(env);
  });

  it('keeps its memory out of what the program is told of', async () => {
    const { bench } = await booted();
    bench.call(0x12);
    expect(bench.ax * 1024).toBe(CONVENTIONAL_END);
    bench.segment('es', 0x3000);
    bench.call(0x15, { rax: 0xe820, rbx: 0, rcx: 20, rdx: 0x534d4150, rdi: 0 });
    expect(bench.memory.readU32(0x30008)).toBe(CONVENTIONAL_END);
    bench.call(0x15, { rax: 0xe820, rbx: 1, rcx: 20, rdx: 0x534d4150, rdi: 0 });
    expect(bench.memory.readU32(0x30000)).toBe(CONVENTIONAL_END);
    expect(bench.memory.readU32(0x30000) + bench.memory.readU32(0x30008)).toBe(0xa0000);
  });

  it.each([
    ['PXE-E53: the DHCP server names no boot file', { bootFile: null }],
    ['PXE-E3B: the boot server has no nothing', { bootFile: 'nothing' }],
    ['PXE-E3C: the boot server does not give ../x', { bootFile: '../x' }],
  ])('says %s, and goes on with the next device', async (reason, options) => {
    const network = new NetworkBench({ ...options, bootOrder: 'nc', disks: [disk()] });
    const { returnTo, action } = await network.boot(20);
    expect(network.screen).toContain(`not bootable: ${reason}`);
    expect([action, returnTo, network.bench.dx]).toEqual([0, { segment: 0, offset: 0x7c00 }, 0x80]);
    expect(network.claims).toBe(0);
    network.bench.call(0x12);
    expect(network.bench.ax).toBe(639);
    expect(network.bench.call(0x1a, { rax: 0x5650 }).carry).toBe(true);
  });

  it('refuses a file that does not fit into conventional memory, before it has come', async () => {
    const network = new NetworkBench();
    network.files.set('boot.0', new Uint8Array(CONVENTIONAL_END - 0x7c00 + 1));
    await network.boot();
    expect(network.screen).toContain('PXE-E79: boot.0 does not fit into conventional memory');
    expect(network.sent.length).toBeLessThan(10);
  });

  it('gives up without an offer after 15 seconds of the machine, four times asked', async () => {
    const network = new NetworkBench();
    network.connected = false;
    const start = network.bench.clock.now;
    await network.boot(100);
    expect(network.screen).toContain('PXE-E51: no DHCP server answers');
    expect(network.sent).toHaveLength(4);
    expect(Math.round((network.bench.clock.now - start) / 1e9)).toBe(15);
  });

  it('gives up when the boot server falls silent', async () => {
    const network = new NetworkBench();
    network.files.set('boot.0', program(100_000));
    let frames = 0;
    const { filter } = network.lab;
    network.lab.filter = (heard) => ++frames < 20 && filter(heard);
    await network.boot(50);
    expect(network.screen).toContain('PXE-E35: the boot server stopped in the middle of boot.0');
  });

  it('asks again for what was lost', async () => {
    const network = new NetworkBench();
    const bytes = program(60_000);
    network.files.set('boot.0', bytes);
    let frames = 0;
    const { filter } = network.lab;
    network.lab.filter = (heard) => ++frames % 7 !== 0 && filter(heard);
    await network.boot(50);
    expect(same(network.bench.memory.read(0x7c00, bytes.length), bytes)).toBe(true);
  });

  it('says that no cable is plugged in, and when it is pulled', async () => {
    const network = new NetworkBench();
    network.linkUp = false;
    network.bench.call(0x19);
    expect(network.screen).toContain(
      'not bootable: PXE-E61: no cable is plugged into 00:16:3e:01:02:03',
    );
    const other = new NetworkBench();
    other.bench.call(0x19);
    other.linkUp = false;
    other.bench.call(0x19, {}, true);
    expect(other.screen).toContain('PXE-E61: the cable was pulled');
  });

  it('tries the next card when one has no network', async () => {
    const network = new NetworkBench({ emptyCard: true });
    network.files.set('boot.0', program(100));
    await network.boot(100);
    expect(network.screen).toMatch(/\(00:16:3e:00:00:09.*PXE-E51.*\(00:16:3e:01:02:03.*boot\.0/);
    expect(same(network.bench.memory.read(0x7c00, 100), program(100))).toBe(true);
  });

  it('is skipped by Esc', async () => {
    const network = new NetworkBench();
    network.connected = false;
    network.bench.call(0x19);
    network.bench.call(0x16, { rax: 0x0500, rcx: 0x011b });
    network.bench.memory.writeU16(0x7000, 0x0219);
    network.bench.call(0x19, {}, true);
    expect(network.screen).toContain('not bootable: Esc was pressed');
    expect(network.claims).toBe(0);
  });

  it('goes on after it was saved and restored in the middle', async () => {
    const network = new NetworkBench();
    const bytes = program(20_000);
    network.files.set('boot.0', bytes);
    network.bench.call(0x19);
    for (let i = 0; i < 8; i++) {
      await network.pass(1);
      network.bench.call(0x19, {}, true);
    }
    const state = structuredClone(network.bench.bios.save());
    expect(state.network).toMatchObject({ phase: 'tftp', fileName: 'boot.0' });
    network.bench.bios.restore(structuredClone(state));
    expect(network.bench.bios.save()).toEqual(state);
    for (let i = 0; i < 100 && network.bench.registers.get32('rsp') === 0x7000; i++) {
      await network.pass(100);
      network.bench.call(0x19, {}, true);
    }
    expect(same(network.bench.memory.read(0x7c00, bytes.length), bytes)).toBe(true);
  });
});

describe('the PXE API', () => {
  it('gives cached packets, copied or where they lie (GET_CACHED_INFO)', async () => {
    const network = await booted();
    const { memory } = network.bench;
    const ask = (type: number, size: number, buffer: number[]) =>
      network.api(0x71, [0, 0, ...word(type), ...word(size), ...buffer, 0, 0]);
    expect(await ask(2, 0, [0, 0, 0, 0])).toBe(0);
    const at = memory.readU16(PARAMETERS + 8) * 16 + memory.readU16(PARAMETERS + 6);
    // DHCPACK: BOOTREPLY, our address, the server, the boot file.
    expect(memory.readU8(at)).toBe(2);
    expect([...memory.read(at + 16, 4)]).toEqual([10, 0, 2, 15]);
    expect([...memory.read(at + 20, 4)]).toEqual(GATEWAY);
    expect(Buffer.from(memory.read(at + 108, 6)).toString()).toBe('boot.0');
    const length = memory.readU16(PARAMETERS + 4);
    expect(await ask(2, 2000, [0, 0, 0, 0x40])).toBe(0);
    expect(memory.readU16(PARAMETERS + 4)).toBe(length);
    expect(memory.read(0x40000, length)).toEqual(memory.read(at, length));
    expect(await ask(1, 2000, [0, 0, 0, 0x40])).toBe(0);
    expect(memory.readU8(0x40000)).toBe(1);
    expect(await ask(3, 2000, [0, 0, 0, 0x40])).toBe(0);
    expect(await ask(4, 2000, [0, 0, 0, 0x40])).toBe(1);
    expect(await ask(2, 100, [0, 0, 0, 0x40])).toBe(1);
    expect(network.status).toBe(0x06);
  });

  it('reads a file block by block (TFTP_OPEN, READ, CLOSE)', async () => {
    const network = await booted();
    const { memory } = network.bench;
    const bytes = program(3500);
    network.files.set('pxe/file', bytes);
    const open = [0, 0, ...GATEWAY, 0, 0, 0, 0, ...name('pxe/file'), 0, 69, ...word(1456)];
    expect(await network.api(0x20, open)).toBe(0);
    expect(memory.readU16(PARAMETERS + 140)).toBe(1456);
    expect(await network.api(0x20, open)).toBe(1);
    expect(network.status).toBe(0x1b);
    const got: number[] = [];
    for (const [number, size] of [
      [1, 1456],
      [2, 1456],
      [3, 588],
      [0, 0],
    ]) {
      expect(await network.api(0x22, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0x40])).toBe(0);
      expect(memory.readU16(PARAMETERS + 2)).toBe(number);
      expect(memory.readU16(PARAMETERS + 4)).toBe(size);
      got.push(...memory.read(0x40000, size));
    }
    expect(Uint8Array.from(got)).toEqual(bytes);
    expect(await network.api(0x21, [0, 0])).toBe(0);
    expect(await network.api(0x22, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0x40])).toBe(1);
    expect(network.status).toBe(0x1a);
  });

  it('tells a file’s size, and reads it whole (TFTP_GET_FSIZE, TFTP_READ_FILE)', async () => {
    const network = await booted();
    const { memory } = network.bench;
    const bytes = program(200_000);
    network.files.set('big', bytes);
    const size = [0, 0, ...GATEWAY, 0, 0, 0, 0, ...name('big'), 0, 0, 0, 0];
    expect(await network.api(0x25, size)).toBe(0);
    expect(memory.readU32(PARAMETERS + 138)).toBe(200_000);
    const whole = (room: number) => {
      const parameters = [0, 0, ...name('big'), ...new Array<number>(28).fill(0)];
      const view = new DataView(Uint8Array.from(parameters).buffer);
      view.setUint32(130, room, true);
      view.setUint32(134, 0x20_0000, true);
      GATEWAY.forEach((byte, i) => view.setUint8(138 + i, byte));
      view.setUint16(152, 69);
      return network.api(0x23, [...new Uint8Array(view.buffer)]);
    };
    expect(await whole(1 << 20)).toBe(0);
    expect(memory.readU32(PARAMETERS + 130)).toBe(200_000);
    expect(same(memory.read(0x20_0000, 200_000), bytes)).toBe(true);
    expect(await whole(199_999)).toBe(1);
    expect(network.status).toBe(0x3a);
    expect(await network.api(0x25, [0, 0, ...GATEWAY, 0, 0, 0, 0, ...name('no'), 0, 0, 0, 0])).toBe(
      1,
    );
    expect(network.status).toBe(0x3b);
  });

  it('sends and receives datagrams (UDP_OPEN, WRITE, READ, CLOSE)', async () => {
    const network = await booted();
    const { memory } = network.bench;
    network.files.set('hello', Buffer.from('hello'));
    const read = (port: number) =>
      network.api(0x32, [
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        port >> 8,
        port & 0xff,
        ...word(600),
        0,
        0,
        0,
        0x40,
      ]);
    expect(await read(5000)).toBe(1);
    expect(network.status).toBe(0x18);
    expect(await network.api(0x30, [0, 0, 10, 0, 2, 15])).toBe(0);
    expect(await read(5000)).toBe(1);
    expect(network.status).toBe(0x01);
    const request = Buffer.from('\0\x01hello\0octet\0', 'latin1');
    memory.write(0x50000, request);
    const write = [
      0,
      0,
      ...GATEWAY,
      0,
      0,
      0,
      0,
      0x13,
      0x88,
      0,
      69,
      ...word(request.length),
      0,
      0,
      0,
      0x50,
    ];
    expect(await network.api(0x33, write)).toBe(0);
    await network.pass(1);
    expect(await read(5001)).toBe(1);
    expect(await read(5000)).toBe(0);
    expect([...memory.read(PARAMETERS + 2, 4)]).toEqual(GATEWAY);
    expect(memory.readU16(PARAMETERS + 14)).toBe(9);
    expect(Buffer.from(memory.read(0x40000, 9)).toString('latin1')).toBe('\0\x03\0\x01hello');
    // Not while UDP is open (PXE 2.1 section 3.4.1).
    expect(
      await network.api(0x20, [0, 0, ...GATEWAY, 0, 0, 0, 0, ...name('x'), 0, 69, ...word(512)]),
    ).toBe(1);
    expect(network.status).toBe(0x19);
    expect(await network.api(0x31, [0, 0])).toBe(0);
  });

  it('says that nobody answers ARP, after three seconds', async () => {
    const network = await booted();
    await network.api(0x30, [0, 0, 10, 0, 2, 15]);
    const write = [0, 0, 10, 0, 2, 200, 0, 0, 0, 0, 0, 9, 0, 9, 1, 0, 0, 0, 0, 0x50];
    const start = network.bench.clock.now;
    expect(await network.api(0x33, write, 100)).toBe(1);
    expect(network.status).toBe(0x11);
    expect(Math.round((network.bench.clock.now - start) / 1e9)).toBe(3);
  });

  it('carries frames (UNDI_OPEN, TRANSMIT, ISR), polled', async () => {
    const network = await booted();
    const { memory } = network.bench;
    const open = [0, 0, 0, 0, 3, 0, ...new Array<number>(130).fill(0)];
    expect(await network.api(0x08, new Array<number>(20).fill(0))).toBe(1);
    expect(network.status).toBe(0x6a);
    expect(await network.api(0x06, open)).toBe(0);
    const isr = async (flag: number): Promise<number> => {
      expect(await network.api(0x14, [0, 0, ...word(flag), ...new Array<number>(14).fill(0)])).toBe(
        0,
      );
      return memory.readU16(PARAMETERS + 2);
    };
    expect(await isr(1)).toBe(1);
    // An ARP request for the gateway; the header is UNDI's to make. Descriptor at 5000:0, packet at 5000:100.
    const arp = Buffer.from('000108000604000100163e0102030a00020f0000000000000a000202', 'hex');
    memory.write(0x50100, arp);
    memory.write(0x50000, Uint8Array.from([...word(arp.length), 0, 1, 0, 0x50, 0, 0]));
    expect(
      await network.api(0x08, [0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0x50, 0, 0, 0, 0, 0, 0, 0, 0]),
    ).toBe(0);
    const frame = network.sent.at(-1)!;
    expect(Buffer.from(frame.subarray(0, 14)).toString('hex')).toBe('ffffffffffff00163e0102030806');
    expect(frame.length).toBe(60);
    await network.pass(1);
    expect(await isr(1)).toBe(0);
    expect(await isr(2)).toBe(3);
    const at = memory.readU16(PARAMETERS + 12) * 16 + memory.readU16(PARAMETERS + 10);
    expect(memory.readU16(PARAMETERS + 8)).toBe(14);
    expect([memory.readU8(PARAMETERS + 14), memory.readU8(PARAMETERS + 15)]).toEqual([2, 0]);
    expect(Buffer.from(memory.read(at + 12, 2)).toString('hex')).toBe('0806');
    expect(await isr(3)).toBe(0);
    expect(await network.api(0x0d, new Array<number>(18).fill(0))).toBe(0);
    expect([memory.readU32(PARAMETERS + 2), memory.readU32(PARAMETERS + 6)]).toEqual([1, 1]);
    expect(await network.api(0x07, [0, 0])).toBe(0);
  });

  it('tells about the card (UNDI_GET_INFORMATION, GET_NIC_TYPE, GET_IFACE_INFO)', async () => {
    const network = await booted();
    const { memory, bus } = network.bench;
    bus.addFunction(3, 0, 0x100e8086, 0x020000);
    expect(await network.api(0x0c, new Array<number>(50).fill(0xff))).toBe(0);
    expect([4, 6, 8, 10].map((at) => memory.readU16(PARAMETERS + at))).toEqual([0, 1500, 1, 6]);
    expect([...memory.read(PARAMETERS + 12, 6)]).toEqual([0, 0x16, 0x3e, 1, 2, 3]);
    expect(await network.api(0x12, new Array<number>(17).fill(0xff))).toBe(0);
    expect(memory.readU8(PARAMETERS + 2)).toBe(2);
    expect(memory.readU32(PARAMETERS + 3)).toBe(0x100e8086);
    expect([...memory.read(PARAMETERS + 7, 3)]).toEqual([2, 0, 0]);
    expect(memory.readU16(PARAMETERS + 11)).toBe(3 << 3);
    expect(await network.api(0x13, new Array<number>(42).fill(0xff))).toBe(0);
    expect(Buffer.from(memory.read(PARAMETERS + 2, 9)).toString()).toBe('DIX+802.3');
  });

  it('is gone after UNLOAD_STACK but for UNDI, and for good after STOP_UNDI', async () => {
    const network = await booted();
    const { bench } = network;
    expect(await network.api(0x05, [0, 0])).toBe(0);
    expect(network.claims).toBe(0);
    expect(await network.api(0x70, new Array<number>(12).fill(0))).toBe(0);
    expect(bench.call(0x1a, { rax: 0x5650 }).carry).toBe(true);
    expect(await network.api(0x03, new Array<number>(14).fill(0))).toBe(0);
    expect(network.claims).toBe(1);
    expect(await network.api(0x15, [0, 0])).toBe(0);
    expect(network.claims).toBe(0);
    bench.segment('es', 0x3000);
    bench.call(0x15, { rax: 0xe820, rbx: 0, rcx: 20, rdx: 0x534d4150, rdi: 0 });
    expect(bench.memory.readU32(0x30008)).toBe(0x9fc00);
  });

  it('survives calls that make no sense', async () => {
    const network = await booted();
    let seed = 1;
    const random = (): number => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) >>> 24;
    for (let opcode = 0; opcode < 0x100; opcode++) {
      const parameters = Array.from({ length: 160 }, random);
      // No name ends, no address is right, counts are huge.
      await network.api(opcode, parameters, 500);
      expect(network.bench.ax).toBeLessThanOrEqual(1);
    }
  });
});
