import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NetworkConfig } from '../../api';
import type { FrameLink } from '../../host';
import { nodeFiles, nodeFrameLinks, nodeHost } from '../../host-node';
import { parseMac } from '../../net';
import { egressOptions, gatewayAddresses, networkProblem } from './gateway';
import { Networks } from './networks';

const LAB: NetworkConfig = {
  name: 'lab',
  mode: 'nat',
  shared: true,
  subnet: '10.5.0.0/24',
  subnet6: '',
  lan: true,
  rules: [{ action: 'allow', to: '192.168.0.0/16', ports: [80, 80] }],
};
const CARD = { model: 'e1000', link: true, forwards: [] } as const;
const A = '00:16:3e:00:00:0a';
const B = '00:16:3e:00:00:0b';

let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'domus-net-'))));
afterEach(() => rmSync(directory, { recursive: true }));

function vif(bridge: string, mac = A) {
  return { ...CARD, forwards: [], bridge, mac };
}

describe('networks', () => {
  it('are there without a definition, and named when one is not', async () => {
    const networks = new Networks(nodeHost, directory);
    expect(networks.list.map((network) => network.name)).toEqual(['nat', 'host-only', 'isolated']);
    const nat = await networks.plugIn(vif('nat'));
    expect(nat).toMatchObject({ uplink: null, guestHost: 15 });
    await expect(networks.plugIn(vif('none'))).rejects.toThrow(
      "there is no network 'none'; there are: nat, host-only, isolated",
    );
  });

  it('are stored, read again and removed; a built-in one gets its defaults back', async () => {
    const networks = new Networks(nodeHost, directory);
    await networks.define(LAB);
    await networks.define({ ...networks.find('nat'), lan: true });
    const again = new Networks(nodeHost, directory);
    await again.load((message) => expect.fail(message));
    expect(again.find('lab')).toEqual(LAB);
    expect(again.find('nat').lan).toBe(true);
    await again.remove('nat');
    await again.remove('lab');
    expect(again.find('nat').lan).toBe(false);
    expect(() => again.find('lab')).toThrow('there is no network');
    expect(await nodeFiles.list(join(directory, 'networks'))).toEqual([]);
  });

  it('keep the folder that guests boot from, which must be there', async () => {
    const networks = new Networks(nodeHost, directory);
    const boot = { folder: directory, file: 'pxelinux.0' };
    await networks.define({ ...LAB, boot });
    const again = new Networks(nodeHost, directory);
    await again.load((message) => expect.fail(message));
    expect(again.find('lab').boot).toEqual(boot);
    await expect(
      networks.define({ ...LAB, boot: { ...boot, folder: `${directory}/none` } }),
    ).rejects.toThrow(`there is no folder ${directory}/none to boot from`);
    await expect(networks.define({ ...LAB, mode: 'isolated', boot })).rejects.toThrow(
      'an isolated network has no gateway',
    );
  });

  it('leave a file alone that makes no sense, and say so', async () => {
    const networks = new Networks(nodeHost, directory);
    await networks.define(LAB);
    const file = join(directory, 'networks/lab.json');
    writeFileSync(file, readFileSync(file, 'utf8').replace('10.5.0.0/24', '10.5.0.0/31'));
    const problems: string[] = [];
    await new Networks(nodeHost, directory).load((message) => problems.push(message));
    expect(problems).toEqual([
      'the stored network lab cannot be used: the subnet 10.5.0.0/31 must be an IPv4 network of /8 to /27, such as 10.0.2.0/24',
    ]);
  });

  it('carry frames between domains through sockets of this user, by learned address', async () => {
    const networks = new Networks(nodeHost, directory);
    const got: Record<string, string[]> = { [A]: [], [B]: [] };
    const join2 = async (mac: string): Promise<FrameLink> => {
      const held = await networks.plugIn(vif('isolated', mac));
      expect(statSync(held.uplink!).mode & 0o777).toBe(0o600);
      return nodeFrameLinks.connect(held.uplink!, {
        onFrame: (frame) => got[mac].push(Buffer.from(frame.subarray(14)).toString()),
        onSpace: () => undefined,
        onClose: () => undefined,
      });
    };
    const a = await join2(A);
    const b = await join2(B);
    const frame = (to: string, from: string, text: string): Uint8Array =>
      Uint8Array.of(...parseMac(to)!, ...parseMac(from)!, 8, 0, ...Buffer.from(text));
    await new Promise((resolve) => setTimeout(resolve, 50));
    a.send(frame('ff:ff:ff:ff:ff:ff', A, 'hello'));
    b.send(frame(A, B, 'to a'));
    b.send(frame(A, '00:16:3e:99:99:99', 'forged'));
    for (let i = 0; i < 500; i++) a.send(frame(B, A, `n${i}`));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(got[A]).toEqual(['to a']);
    expect(got[B]).toEqual(['hello', ...Array.from({ length: 500 }, (_, i) => `n${i}`)]);
    a.close();
    b.close();
  });

  it('give each card an address of its own that stays, and are not removed under a domain', async () => {
    const networks = new Networks(nodeHost, directory);
    await networks.define(LAB);
    const a = await networks.plugIn(vif('lab', A));
    const b = await networks.plugIn(vif('lab', B));
    expect([a.guestHost, b.guestHost]).toEqual([15, 16]);
    a.release();
    a.release();
    expect((await networks.plugIn(vif('lab', A))).guestHost).toBe(15);
    await expect(networks.remove('lab')).rejects.toThrow('domains are running on the network lab');
  });
});

describe('the gateway of a network', () => {
  it('has its addresses by their place, and its way out by its mode', () => {
    const addresses = gatewayAddresses({ ...LAB, subnet6: 'fd12::/64' });
    expect([...addresses.gateway]).toEqual([10, 5, 0, 2]);
    expect([...addresses.dns]).toEqual([10, 5, 0, 3]);
    expect(addresses.ipv6?.gateway[15]).toBe(2);
    expect(gatewayAddresses(LAB).ipv6).toBeUndefined();
    expect(egressOptions(LAB)).toMatchObject({ outside: true, lan: true });
    expect(egressOptions({ ...LAB, mode: 'host-only' }).outside).toBe(false);
  });

  it.each([
    { subnet: '10.0.0.0' },
    { subnet: 'fd00::/64' },
    { subnet: '10.0.0.16/27' },
    { subnet6: 'fd00::/48' },
    { subnet6: '10.0.0.0/24' },
  ])('is refused with %j', (wrong) => {
    expect(networkProblem({ ...LAB, ...wrong })).toMatch(/^the subnet .* must be an/);
  });
});
