import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NetworkConfig, VifInfo } from '../../core/api';
import { Domus, type Program } from './domus';

let domus: Domus;
let daemon: Program;

beforeEach(async () => {
  domus = new Domus();
  daemon = await domus.daemon();
});
afterEach(() => domus.close());

async function cards(name: string): Promise<VifInfo[]> {
  return JSON.parse(await domus.do('network-list', '--json', name)) as VifInfo[];
}

describe('domus and networks', () => {
  it('lists the networks that are there', async () => {
    const all = JSON.parse(await domus.do('networks', '--json')) as NetworkConfig[];
    expect(all.map((network) => network.name)).toEqual(['nat', 'host-only', 'isolated']);
    expect((await domus.do('networks')).split('\n')[1]).toBe(
      'nat              nat        10.0.2.0/24        fd00:d0:2::/64',
    );
  });

  it('gives a domain its cards, and shows them as xl network-list does', async () => {
    const vif = `vif = [ 'mac=00:16:3e:00:00:01', 'bridge=isolated, model=rtl8139' ]`;
    await domus.do('create', domus.tiny('a', vif));
    const [header, first, second] = (await domus.do('network-list', 'a')).split('\n');
    expect(header).toMatch(/^Idx BE Mac Addr\. {9}handle state/);
    expect(first).toMatch(/^0 {3}0 {2}00:16:3e:00:00:01 0 {6}4 {5}e1000 {6}nat {8}-$/);
    expect(second).toMatch(/^1 {3}0 {2}00:16:3e:[0-9a-f:]{8} 1 {6}4 {5}rtl8139 {4}isolated {3}-$/);
    // One socket of the shared network, gone with the domain.
    const sockets = join(domus.home, 'run/net');
    expect(readdirSync(sockets)).toHaveLength(0);
    await domus.do('destroy', 'a');
    expect(await cards('a')).toHaveLength(2);
  });

  it('opens port forwards on 127.0.0.1 and says when a port is taken', async () => {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const file = domus.tiny('a', `vif = [ 'hostfwd=tcp::${port}-:22' ]`);
    const refused = await domus.run('create', file);
    expect(refused).toMatchObject({
      status: 1,
      stderr: `domus: the network of a fails: TCP port ${port} on 127.0.0.1 cannot be opened: another program uses it\n`,
    });
    expect(await domus.do('list')).not.toContain('\na ');
    server.close();
    await once(server, 'close');

    await domus.do('create', file);
    expect((await cards('a'))[0].forwards).toEqual([
      { protocol: 'tcp', hostAddress: '127.0.0.1', hostPort: port, guestPort: 22 },
    ]);
    const client = connect(port, '127.0.0.1');
    await once(client, 'connect');
    client.destroy();
    await domus.do('destroy', 'a');
    const late = connect(port, '127.0.0.1');
    await expect(once(late, 'connect')).rejects.toThrow('ECONNREFUSED');
  });

  it('attaches, unplugs and detaches cards', async () => {
    await domus.do('create', domus.tiny('a'));
    const attached = await domus.run('network-attach', 'a', 'model=virtio-net', 'bridge=host-only');
    expect(attached).toMatchObject({
      status: 0,
      stderr: 'domus: a is running; its network cards change at its next start\n',
    });
    await domus.do('destroy', 'a');
    await domus.do('network-attach', 'a');
    await domus.do('start', 'a');
    expect((await cards('a')).map((card) => [card.model, card.bridge])).toEqual([
      ['virtio-net', 'host-only'],
      ['e1000', 'nat'],
    ]);
    await domus.do('network-link', 'a', '1', 'down');
    expect((await cards('a')).map((card) => card.link)).toEqual([true, false]);
    expect(await domus.do('config', 'a')).toContain('model=e1000, link=down');
    await domus.do('destroy', 'a');
    await domus.do('network-detach', 'a', '0');
    expect((await cards('a')).map((card) => card.model)).toEqual(['e1000']);
    expect(await domus.run('network-detach', 'a', '7')).toMatchObject({
      status: 1,
      stderr: 'domus: a has no network card "7"\n',
    });
    expect((await domus.run('network-attach', 'a', 'model=tulip')).stderr).toContain(
      "the network card 'tulip' is not known",
    );
  });

  it('captures to a new pcapng file, and overwrites none', async () => {
    await domus.do('create', domus.tiny('a', "vif = [ '' ]"));
    const file = domus.path('a.pcapng');
    await domus.do('network-capture', 'a', '0', file);
    expect((await cards('a'))[0].capture).toBe(file);
    const again = await domus.run('network-capture', 'a', '0', file);
    expect(again.status).toBe(1);
    expect(again.stderr).toContain(`nothing can be captured to ${file}`);
    await domus.do('network-capture', 'a', '0');
    expect(existsSync(file)).toBe(true);
    expect(readFileSync(file).subarray(0, 4)).toEqual(Buffer.from([0x0a, 0x0d, 0x0d, 0x0a]));
  });

  it('refuses a network that is not there, before anything is started', async () => {
    const refused = await domus.run('create', domus.tiny('a', "vif = [ 'bridge=lab' ]"));
    expect(refused).toMatchObject({
      status: 1,
      stderr: "domus: there is no network 'lab'; there are: nat, host-only, isolated\n",
    });
    expect(daemon.child.exitCode).toBeNull();
  });
});
