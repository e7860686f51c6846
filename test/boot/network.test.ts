/** A Linux guest on the NAT network of `domus run`: lease, gateway, a port of this computer that leads to it. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { BUSYBOX_MARKER, guest } from '../../build/guests.mjs';
import { Domus, type Program } from '../toolstack/domus';

const BOOT_MS = 280_000;

let domus: Domus;
beforeAll(() => {
  domus = new Domus();
});
afterAll(() => domus.close());

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Runs a line in the guest's shell; what it printed. The shell echoes the line: the mark is put together there. */
async function shell(program: Program, line: string, mark: number): Promise<string> {
  const before = program.stdout.length;
  program.type(`${line}; echo MARK$((${mark}+0))END\n`);
  await program.until(
    () => program.stdout.slice(before).includes(`MARK${mark}END`),
    `end of ${line}`,
    BOOT_MS,
  );
  return program.stdout.slice(before);
}

/** What a connection to this computer's port brings; the guest may not listen yet. */
async function fetchFrom(port: number): Promise<string> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const parts: Buffer[] = [];
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.on('data', (part: Buffer) => parts.push(part));
    // A guest that does not listen yet resets the connection: an error here, and then the close.
    await new Promise((resolve) => socket.on('close', resolve));
    if (parts.length > 0 || Date.now() > deadline) return Buffer.concat(parts).toString();
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

it('gets its lease, reaches the gateway, is kept from this computer, and is reached by a forward', async () => {
  const port = await freePort();
  const config = domus.file(
    'net.cfg',
    [
      'name = "net"',
      'memory = 256',
      `kernel = "${await guest('drivers-linux')}"`,
      `ramdisk = "${await guest('drivers-initrd.gz')}"`,
      'extra = "console=ttyS0 quiet"',
      `vif = [ "mac=00:16:3e:00:00:05, model=virtio-net, hostfwd=tcp::${port}-:7000" ]`,
    ].join('\n'),
  );
  const program = domus.start('run', config);
  await program.printed(BUSYBOX_MARKER, BOOT_MS);
  await shell(program, 'load virtio_pci; load virtio_net; ifconfig eth0 up; sleep 1', 1);
  expect(await shell(program, 'cat /sys/class/net/eth0/address', 2)).toContain('00:16:3e:00:00:05');
  const lease = await shell(program, 'udhcpc -n -q -i eth0 -s /bin/true', 3);
  expect(lease).toContain('lease of 10.0.2.15 obtained from 10.0.2.2');
  await shell(program, 'ifconfig eth0 10.0.2.15; route add default gw 10.0.2.2', 4);
  expect(await shell(program, 'ping -c 2 10.0.2.2', 5)).toContain('2 packets received');
  // The forward's own port on this computer is closed to the guest, whatever it calls it.
  const refused = await shell(
    program,
    `for a in 10.0.2.2 127.0.0.2 169.254.169.254; do nc -w 2 $a ${port} </dev/null && echo REACHED$((40+2)); done`,
    6,
  );
  expect(refused).not.toContain('REACHED42');
  program.type('dd if=/dev/zero bs=1k count=2000 2>/dev/null | tr "\\0" x | nc -l -p 7000\n');
  const text = await fetchFrom(port);
  expect(text.length).toBe(2000 * 1024);
  expect(/^x+$/.test(text)).toBe(true);
  program.type('poweroff -f\n');
  expect((await program.finished).status).toBe(0);
});
