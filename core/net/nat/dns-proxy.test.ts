import { describe, expect, it } from 'vitest';
import { DNS, GATEWAY_MAC, GUEST, NatLab } from '../../../test/support/nat-lab';
import { udpFrame } from '../../../test/support/net-guest';
import { DNS_A, DNS_AAAA, dnsAddresses, encodeDnsName, put16, u16 } from '../wire';

const MX = 15;

function query(name: string, type: number, extra: number[] = []): Uint8Array {
  const encoded = encodeDnsName(name) ?? Uint8Array.of(0);
  return Uint8Array.of(
    ...[0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, extra.length > 0 ? 1 : 0],
    ...encoded,
    ...[0, type, 0, 1],
    ...extra,
  );
}

/** Asks and waits for the answer, which needs turns of the event loop but no time. */
async function ask(lab: NatLab, message: Uint8Array): Promise<Uint8Array | undefined> {
  lab.send(udpFrame(GATEWAY_MAC, GUEST, 5353, DNS, 53, message));
  lab.settle();
  for (let i = 0; i < 20; i++) await Promise.resolve();
  await new Promise((resolve) => setImmediate(resolve));
  lab.settle();
  return lab.heard.at(-1)?.udp?.payload;
}

function addressesIn(answer: Uint8Array | undefined): string[] {
  return (dnsAddresses(answer ?? new Uint8Array()) ?? []).map((address) => address.join('.'));
}

describe('the name server of the network', () => {
  it("answers addresses from the host's resolver, each family its own", async () => {
    const lab = new NatLab();
    lab.host.names.set('example.org', ['203.0.113.9', '2001:db8:2::1']);
    const answer = await ask(lab, query('Example.ORG', DNS_A));
    expect(u16(answer!, 0)).toBe(0xabcd);
    expect(u16(answer!, 2)).toBe(0x8180);
    expect(addressesIn(answer)).toEqual(['203.0.113.9']);
    expect(addressesIn(await ask(lab, query('example.org', DNS_AAAA)))).toHaveLength(1);
  });

  it('says no data for the other family, no such name for none, failure for no answer', async () => {
    const lab = new NatLab();
    lab.host.names.set('v4.example', ['203.0.113.9']);
    lab.host.names.set('broken.example', ['fail']);
    const noData = await ask(lab, query('v4.example', DNS_AAAA));
    expect([u16(noData!, 2) & 15, u16(noData!, 6)]).toEqual([0, 0]);
    expect(u16((await ask(lab, query('none.example', DNS_A)))!, 2) & 15).toBe(3);
    expect(u16((await ask(lab, query('broken.example', DNS_A)))!, 2) & 15).toBe(2);
  });

  it('takes addresses out that the guest may not reach (DNS rebinding), and remembers it', async () => {
    const lab = new NatLab();
    lab.host.names.set('rebind.example', ['127.0.0.1', '192.168.1.1', '203.0.113.9', '::1']);
    expect(addressesIn(await ask(lab, query('rebind.example', DNS_A)))).toEqual(['203.0.113.9']);
    expect(addressesIn(await ask(lab, query('rebind.example', DNS_AAAA)))).toEqual([]);
    expect(lab.nat.denials.map((denial) => denial.address)).toContain('127.0.0.1');
  });

  it('passes other records on, and refuses an answer that names a closed address', async () => {
    const lab = new NatLab();
    lab.host.answerDns = (message) => {
      const answer = Uint8Array.of(
        ...message,
        0xc0,
        12,
        0,
        MX,
        0,
        1,
        0,
        0,
        0,
        9,
        0,
        4,
        0,
        5,
        0xc0,
        12,
      );
      put16(answer, 2, 0x8180);
      put16(answer, 6, 1);
      return answer;
    };
    const mx = await ask(lab, query('example.org', MX));
    expect(u16(mx!, 6)).toBe(1);

    lab.host.answerDns = (message) => {
      const answer = Uint8Array.of(...message, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 10, 0, 0, 1);
      put16(answer, 2, 0x8180);
      put16(answer, 6, 1);
      return answer;
    };
    expect(u16((await ask(lab, query('evil.example', MX)))!, 2) & 15).toBe(2);
  });

  it('cuts an answer that is too long for the question, and takes the size of an OPT record', async () => {
    const lab = new NatLab();
    lab.host.names.set(
      'many.example',
      Array.from({ length: 60 }, (_, i) => `203.0.113.${i + 1}`),
    );
    const cut = await ask(lab, query('many.example', DNS_A));
    expect(u16(cut!, 2) & 0x0200).toBe(0x0200);
    expect(u16(cut!, 6)).toBe(0);
    const opt = [0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 0];
    const whole = await ask(lab, query('many.example', DNS_A, opt));
    expect(u16(whole!, 6)).toBe(60);
  });

  it('answers over TCP too', async () => {
    const lab = new NatLab();
    lab.host.names.set('example.org', ['203.0.113.9']);
    const guest = lab.connect(DNS, 53);
    lab.pass(50);
    expect(guest.state).toBe('open');
    const message = query('example.org', DNS_A);
    guest.send(Uint8Array.of(0, message.length, ...message));
    lab.settle();
    await new Promise((resolve) => setImmediate(resolve));
    lab.settle();
    expect(u16(guest.bytes, 0)).toBe(guest.bytes.length - 2);
    expect(addressesIn(guest.bytes.subarray(2))).toEqual(['203.0.113.9']);
    guest.close();
    lab.pass(100);
    expect(guest.peerFin).toBe(true);
  });

  it('refuses everything where there is no way out, and asks nobody', async () => {
    const lab = new NatLab({ outside: false });
    lab.host.lookup = () => Promise.reject(new Error('asked'));
    expect(u16((await ask(lab, query('example.org', DNS_A)))!, 2) & 15).toBe(5);
  });

  it('does not let a guest have more than 32 questions open', async () => {
    const lab = new NatLab();
    let asked = 0;
    lab.host.queryDns = () => {
      asked++;
      return new Promise(() => undefined);
    };
    for (let i = 0; i < 100; i++)
      lab.exchange(udpFrame(GATEWAY_MAC, GUEST, 5000 + i, DNS, 53, query(`n${i}.example`, MX)));
    await Promise.resolve();
    expect(asked).toBe(32);
  });
});
