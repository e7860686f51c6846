import { createConnection, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { vncResponse } from '../../core/host-node';
import { Domus } from './domus';

let domus: Domus;
const sockets: Socket[] = [];

beforeEach(async () => {
  domus = new Domus();
  await domus.daemon();
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await domus.close();
});

/** A client's side of RFC 6143, as far as the handshake. */
class RfbClient {
  private bytes = Buffer.alloc(0);
  private ended = false;

  constructor(private readonly socket: Socket) {
    socket.on('data', (chunk) => (this.bytes = Buffer.concat([this.bytes, chunk])));
    socket.on('close', () => (this.ended = true));
    socket.on('error', () => undefined);
    sockets.push(socket);
  }

  async read(length: number): Promise<Buffer> {
    await expect
      .poll(() => this.ended || this.bytes.length >= length, { timeout: 10_000 })
      .toBe(true);
    if (this.bytes.length < length) throw new Error('the server closed the connection');
    const part = this.bytes.subarray(0, length);
    this.bytes = this.bytes.subarray(length);
    return part;
  }

  send(...bytes: number[]): void {
    this.socket.write(Uint8Array.from(bytes));
  }

  /** Version and security; with a password when one is wanted. The security result. */
  async handshake(security: number, password = ''): Promise<number> {
    expect((await this.read(12)).toString()).toBe('RFB 003.008\n');
    this.socket.write('RFB 003.008\n');
    expect([...(await this.read(2))]).toEqual([1, security]);
    this.send(security);
    if (security === 2) this.socket.write(vncResponse(await this.read(16), password));
    return (await this.read(4)).readUInt32BE(0);
  }

  /** ClientInit and ServerInit: the desktop's name and size. */
  async init(): Promise<{ name: string; width: number; height: number }> {
    this.send(1);
    const head = await this.read(24);
    const name = await this.read(head.readUInt32BE(20));
    return { name: name.toString(), width: head.readUInt16BE(0), height: head.readUInt16BE(2) };
  }
}

async function vnc(name: string): Promise<{ port: number; connect: (host?: string) => RfbClient }> {
  const { vncPort } = await domus.domain(name);
  if (vncPort === null) throw new Error(`${name} has no VNC server`);
  return {
    port: vncPort,
    connect: (host = '127.0.0.1') => new RfbClient(createConnection(vncPort, host)),
  };
}

describe('the VNC server of a domain', () => {
  it('serves the screen on a port from 5900 on, each domain its own', async () => {
    await domus.do('create', domus.tiny('a'));
    await domus.do('create', domus.tiny('b'));
    const [a, b] = [await vnc('a'), await vnc('b')];
    expect(a.port).toBeGreaterThanOrEqual(5900);
    expect(b.port).not.toBe(a.port);
    const client = a.connect();
    expect(await client.handshake(1)).toBe(0);
    expect(await client.init()).toMatchObject({ name: 'a' });
    // FramebufferUpdateRequest of everything is answered with a FramebufferUpdate.
    client.send(3, 0, 0, 0, 0, 0, 2, 128, 1, 144);
    expect((await client.read(4))[0]).toBe(0);
  });

  it('listens on this computer only', async () => {
    await domus.do('create', domus.tiny('a'));
    const { connect } = await vnc('a');
    await expect(connect('127.0.0.2').read(12)).rejects.toThrow('the server closed the connection');
  });

  it('wants the password, and closes the door after five wrong ones', async () => {
    await domus.do('create', domus.tiny('a', 'vncpasswd = "secret"'));
    const { connect } = await vnc('a');
    const good = connect();
    expect(await good.handshake(2, 'secret')).toBe(0);
    expect(await good.init()).toMatchObject({ name: 'a' });
    for (let i = 0; i < 5; i++) expect(await connect().handshake(2, 'wrong')).toBe(1);
    await expect(connect().read(12)).rejects.toThrow('the server closed the connection');
  });

  it('is not there with vnc=0', async () => {
    await domus.do('create', domus.tiny('a', 'vnc = 0'));
    expect((await domus.domain('a')).vncPort).toBeNull();
  });

  it('says which display is taken', async () => {
    await domus.do('create', domus.tiny('a'));
    const { port } = await vnc('a');
    const { status, stderr } = await domus.run(
      'create',
      domus.tiny('b', `vncdisplay = ${port - 5900}`),
    );
    expect(status).toBe(1);
    expect(stderr).toContain(`domus: VNC display ${port - 5900} (port ${port}) cannot be opened`);
  });
});
