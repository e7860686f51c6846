import { describe, expect, it } from 'vitest';
import {
  DNS,
  GATEWAY,
  GATEWAY6,
  GATEWAY_MAC,
  GUEST,
  GUEST6,
  GUEST_MAC,
  ip,
  NatLab,
} from '../../../test/support/nat-lab';
import { ipFrame, udpFrame } from '../../../test/support/net-guest';
import {
  buildUdp,
  checksum,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_UDP,
  put16,
  sealIcmp,
  u16,
  u32,
} from '../wire';

const SERVER = ip('203.0.113.9');

/** `00 01 ff` as bytes. */
function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replace(/\s/g, ''), 'hex'));
}

function echo(source: Uint8Array, destination: Uint8Array, hopLimit = 64): Uint8Array {
  const v6 = source.length === 16;
  const message = hex(`${v6 ? '80' : '08'}00 0000 1234 0001 6162636465`);
  sealIcmp(message, source, destination);
  const protocol = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
  return ipFrame(GATEWAY_MAC, source, destination, protocol, message, { hopLimit });
}

describe('ARP', () => {
  it('answers for its own addresses only (RFC 826)', () => {
    const request = (target: string) =>
      hex(`ffffffffffff 00163e010203 0806 0001 0800 06 04 0001 00163e010203 0a00020f 000000000000
        ${Buffer.from(ip(target)).toString('hex')}`);
    const lab = new NatLab();
    for (const [target, text] of [
      ['10.0.2.2', '0a000202'],
      ['10.0.2.3', '0a000203'],
    ]) {
      const [reply] = lab.exchange(request(target));
      expect(Buffer.from(reply.frame).toString('hex')).toBe(
        `00163e01020300163effff0208060001080006040002` + `00163effff02${text}00163e0102030a00020f`,
      );
    }
    expect(lab.exchange(request('10.0.2.99'))).toEqual([]);
  });
});

describe('ICMP', () => {
  it('answers an echo to the gateway with the same bytes', () => {
    const lab = new NatLab();
    const [reply] = lab.exchange(echo(GUEST, GATEWAY));
    expect(reply.packet?.source).toEqual(GATEWAY);
    expect(reply.packet?.payload.subarray(4)).toEqual(hex('1234 0001 6162636465'));
    expect(reply.packet?.payload[0]).toBe(0);
    expect(checksum(reply.packet!.payload)).toBe(0);
  });

  it('says that an echo to the outside is prohibited, quoting it (RFC 1812 5.2.7.1)', () => {
    const lab = new NatLab();
    const frame = echo(GUEST, SERVER);
    const [reply] = lab.exchange(frame);
    expect([...reply.packet!.payload.subarray(0, 2)]).toEqual([3, 13]);
    expect(reply.packet!.payload.subarray(8)).toEqual(frame.subarray(14));
  });

  it('says time exceeded to a traceroute, from the gateway', () => {
    const lab = new NatLab();
    const [reply] = lab.exchange(echo(GUEST, SERVER, 1));
    expect(reply.packet?.payload[0]).toBe(11);
    expect(reply.packet?.source).toEqual(GATEWAY);
  });

  it('sends no error about an error (RFC 1122 3.2.2)', () => {
    const lab = new NatLab();
    const message = hex('0301 0000 00000000 4500');
    sealIcmp(message, GUEST, SERVER);
    expect(lab.exchange(ipFrame(GATEWAY_MAC, GUEST, SERVER, IPPROTO_ICMP, message))).toEqual([]);
    const dying = ipFrame(GATEWAY_MAC, GUEST, SERVER, IPPROTO_ICMP, message, { hopLimit: 1 });
    expect(lab.exchange(dying)).toEqual([]);
  });
});

describe('DHCP', () => {
  const client = ip('0.0.0.0');
  const everyone = ip('255.255.255.255');

  function message(type: number, options: string, ciaddr = '00000000', flags = '0000'): Uint8Array {
    return hex(`01010600 deadbeef 0000${flags} ${ciaddr} 00000000 00000000 00000000
      00163e010203 ${'00'.repeat(10)} ${'00'.repeat(192)} 63825363
      3501${type.toString(16).padStart(2, '0')} ${options} ff`);
  }

  function ask(lab: NatLab, bytes: Uint8Array) {
    const frame = udpFrame(new Uint8Array(6).fill(0xff), client, 68, everyone, 67, bytes);
    return lab.exchange(frame).map((heard) => ({
      to: heard.packet!.destination,
      mac: heard.frame.subarray(0, 6),
      bytes: heard.udp!.payload,
      text: Buffer.from(heard.udp!.payload).toString('hex'),
    }));
  }

  it('offers and leases an address with mask, router and name server (RFC 2131 4.3)', () => {
    const lab = new NatLab();
    const [offer] = ask(lab, message(1, '3701 03'));
    expect(offer.bytes.subarray(16, 20)).toEqual(GUEST);
    expect(u32(offer.bytes, 4)).toBe(0xdeadbeef);
    expect(offer.text).toContain('6382536335010236040a000202');
    expect(offer.text).toContain('0104ffffff00');
    expect(offer.text).toContain('03040a000202');
    expect(offer.text).toContain('06040a000203');
    expect(offer.to).toEqual(GUEST);
    expect(offer.mac).toEqual(GUEST_MAC);

    const [ack] = ask(lab, message(3, '32040a00020f 36040a000202 0c07 6d79686f73743b'));
    expect(ack.text).toContain('63825363350105');
    expect(ack.text).toContain('330400015180');
    expect(lab.nat.leases).toMatchObject([
      { address: '10.0.2.15', mac: '00:16:3e:01:02:03', hostName: 'myhost' },
    ]);
  });

  it('broadcasts when the client asks for it, and refuses an address of another network', () => {
    const lab = new NatLab();
    const [offer] = ask(lab, message(1, '', '00000000', '8000'));
    expect(offer.to).toEqual(everyone);
    const [nak] = ask(lab, message(3, '3204c0a80105'));
    expect(nak.text).toContain('63825363350106');
    expect(nak.to).toEqual(everyone);
  });

  it('gives no router and no name server where there is no way out', () => {
    const lab = new NatLab({ outside: false });
    const [offer] = ask(lab, message(1, ''));
    expect(offer.bytes.subarray(16, 20)).toEqual(GUEST);
    expect(offer.text.slice(480)).not.toContain('03040a000202');
    expect(offer.text.slice(480)).not.toContain('06040a000203');
  });

  it('names boot server and boot file where there is something to boot from (RFC 2131, 2132)', async () => {
    const asked: string[] = [];
    const open = async (path: readonly string[]) => {
      asked.push(path.join('/'));
      return 'not-found' as const;
    };
    const lab = new NatLab({}, { fileName: 'pxelinux.0', folder: { open } });
    const [offer] = ask(lab, message(1, '3703 01 42 43'));
    expect(offer.bytes.subarray(20, 24)).toEqual(GATEWAY);
    expect(Buffer.from(offer.bytes.subarray(108, 119)).toString('latin1')).toBe('pxelinux.0\0');
    const options = offer.text.slice(480);
    expect(options).toContain(`4208${Buffer.from('10.0.2.2').toString('hex')}`);
    expect(options).toContain(`430a${Buffer.from('pxelinux.0').toString('hex')}`);
    const [plain] = ask(lab, message(1, '3701 01'));
    expect(plain.bytes.subarray(20, 24)).toEqual(GATEWAY);
    expect(plain.text.slice(480)).not.toContain('430a');
    const ipxe = `4d04 ${Buffer.from('iPXE').toString('hex')}`;
    const fileFor = (fileName: string, options: string): string => {
      const other = new NatLab({}, { fileName, folder: { open } });
      const [{ bytes }] = ask(other, message(1, options));
      return Buffer.from(bytes.subarray(108, 236)).toString('latin1').replace(/\0.*/, '');
    };
    expect(fileFor('undionly.kpxe', '')).toBe('undionly.kpxe');
    expect(fileFor('undionly.kpxe', ipxe)).toBe('autoexec.ipxe');
    expect(fileFor('pxelinux.0', ipxe)).toBe('pxelinux.0');
    expect(ask(new NatLab(), message(1, '3702 42 43'))[0].bytes.subarray(20, 24)).toEqual(client);

    // Its TFTP server is at the gateway's address, and nowhere else.
    const request = hex(`0001 ${Buffer.from('x\0octet\0').toString('hex')}`);
    lab.exchange(udpFrame(GATEWAY_MAC, GUEST, 2070, GATEWAY, 69, request));
    await Promise.resolve();
    lab.settle();
    expect(asked).toEqual(['x']);
    const [answer] = lab.heard.slice(-1);
    expect(answer.udp?.destinationPort).toBe(2070);
    expect([...answer.udp!.payload.subarray(0, 4)]).toEqual([0, 5, 0, 1]);
    const closed = new NatLab().exchange(udpFrame(GATEWAY_MAC, GUEST, 2070, GATEWAY, 69, request));
    expect([...closed[0].packet!.payload.subarray(0, 2)]).toEqual([3, 3]);
  });

  it('gives the system of a card the address that its firmware had, and the other way round', () => {
    const lab = new NatLab();
    const pxe = `3c09 ${Buffer.from('PXEClient').toString('hex')}`;
    const address = (options: string, type = 1) =>
      ask(lab, message(type, options))[0].bytes.subarray(16, 20);
    expect(address(pxe)).toEqual(GUEST);
    expect(address(`${pxe} 32040a00020f`, 3)).toEqual(GUEST);
    expect(address('3d07 0100163e010203')).toEqual(GUEST);
    expect(address('3d07 0100163e010203 32040a00020f', 3)).toEqual(GUEST);
    expect(address(pxe)).toEqual(GUEST);
    expect(lab.nat.leases).toHaveLength(1);
  });

  it('keeps a declined address out of use, and gives each client its own', () => {
    const lab = new NatLab();
    ask(lab, message(1, ''));
    ask(lab, message(4, '32040a00020f 36040a000202'));
    const [second] = ask(lab, message(1, ''));
    expect(second.bytes.subarray(16, 20)).toEqual(ip('10.0.2.16'));
    const [third] = ask(lab, message(1, '3d03 01aabb'));
    expect(third.bytes.subarray(16, 20)).toEqual(ip('10.0.2.17'));
  });
});

describe('UDP', () => {
  it('maps a port of the guest to one socket, and lets only those answer who were asked', () => {
    const lab = new NatLab();
    lab.exchange(udpFrame(GATEWAY_MAC, GUEST, 5000, SERVER, 123, hex('aa')));
    lab.exchange(udpFrame(GATEWAY_MAC, GUEST, 5000, ip('203.0.113.10'), 124, hex('bb')));
    expect(lab.host.sockets).toHaveLength(1);
    const [socket] = lab.host.sockets;
    expect(socket.sent).toMatchObject([
      { address: '203.0.113.9', port: 123 },
      { address: '203.0.113.10', port: 124 },
    ]);

    socket.events.onMessage(hex('cc'), '203.0.113.9', 123);
    socket.events.onMessage(hex('dd'), '203.0.113.9', 999);
    lab.settle();
    const answers = lab.heard.filter((heard) => heard.udp);
    expect(answers).toHaveLength(1);
    expect(answers[0].packet?.source).toEqual(SERVER);
    expect(answers[0].udp).toMatchObject({ sourcePort: 123, destinationPort: 5000 });
    expect(answers[0].udp?.payload).toEqual(hex('cc'));
  });

  it('closes a mapping after three idle minutes, and holds at most 256', () => {
    const lab = new NatLab();
    for (let i = 0; i < 300; i++) {
      lab.timers.advance(2);
      lab.exchange(udpFrame(GATEWAY_MAC, GUEST, 5000 + i, SERVER, 123, hex('aa')));
    }
    expect(lab.nat.udpMappings).toBe(256);
    expect(lab.host.sockets.filter((socket) => !socket.closed)).toHaveLength(256);
    lab.timers.advance(181_000);
    expect(lab.nat.udpMappings).toBe(0);
    expect(lab.host.sockets.every((socket) => socket.closed)).toBe(true);
  });

  it('sends a large answer in fragments and takes a large question in them', () => {
    const lab = new NatLab();
    const big = Uint8Array.from({ length: 4000 }, (_, i) => i & 0xff);
    const datagram = buildUdp(GUEST, 5000, SERVER, 9, big);
    const pieces = [0, 1480, 2960].map((offset) =>
      ipFrame(GATEWAY_MAC, GUEST, SERVER, IPPROTO_UDP, datagram.subarray(offset, offset + 1480), {
        id: 7,
        offset,
        more: offset < 2960,
      }),
    );
    for (const piece of [pieces[2], pieces[0], pieces[1]]) lab.exchange(piece);
    expect(lab.host.sockets[0].sent[0].bytes).toEqual(big);

    lab.host.sockets[0].events.onMessage(big, '203.0.113.9', 9);
    lab.settle();
    const sent = lab.heard.filter((heard) => heard.packet?.fragment);
    expect(sent.map((heard) => heard.packet!.fragment)).toMatchObject([
      { offset: 0, more: true },
      { offset: 1480, more: true },
      { offset: 2960, more: false },
    ]);
    const joined = Buffer.concat(sent.map((heard) => heard.packet!.payload)).subarray(8);
    expect(Buffer.compare(joined, big)).toBe(0);
  });

  it('ends a packet whose fragments overlap (RFC 5722)', () => {
    const lab = new NatLab();
    const datagram = buildUdp(GUEST, 5000, SERVER, 9, new Uint8Array(100));
    const piece = (offset: number, end: number, more: boolean) =>
      ipFrame(GATEWAY_MAC, GUEST, SERVER, IPPROTO_UDP, datagram.subarray(offset, end), {
        id: 8,
        offset,
        more,
      });
    for (const frame of [piece(0, 64, true), piece(56, 64, true), piece(64, 108, false)])
      lab.exchange(frame);
    expect(lab.host.sockets).toHaveLength(0);
  });

  it('says port unreachable at the gateway', () => {
    const lab = new NatLab();
    const [reply] = lab.exchange(udpFrame(GATEWAY_MAC, GUEST, 5000, GATEWAY, 9, hex('aa')));
    expect([...reply.packet!.payload.subarray(0, 2)]).toEqual([3, 3]);
  });

  it('forwards a port of the host, and answers go back to who asked', async () => {
    const lab = new NatLab();
    await lab.nat.forward({
      protocol: 'udp',
      hostAddress: '127.0.0.1',
      hostPort: 5353,
      guestPort: 53,
    });
    lab.exchange(echo(GUEST, GATEWAY));
    const outside = lab.host.bound.get(5353)!;
    outside.events.onMessage(hex('01'), '127.0.0.1', 4444);
    lab.settle();
    const query = lab.heard.find((heard) => heard.udp?.destinationPort === 53)!;
    expect(query.packet?.source).toEqual(GATEWAY);
    const port = query.udp!.sourcePort;
    lab.exchange(udpFrame(GATEWAY_MAC, GUEST, 53, GATEWAY, port, hex('02')));
    expect(outside.sent).toEqual([{ bytes: hex('02'), address: '127.0.0.1', port: 4444 }]);
  });
});

describe('IPv6', () => {
  const guestLocal = ip('fe80::216:3eff:fe01:203');

  it('advertises prefix, name server and itself when solicited (RFC 4861 4.2, RFC 8106)', () => {
    const lab = new NatLab();
    const solicitation = hex('8500 0000 00000000 0101 00163e010203');
    const all = ip('ff02::2');
    sealIcmp(solicitation, guestLocal, all);
    const [reply] = lab.exchange(
      ipFrame(hex('333300000002'), guestLocal, all, IPPROTO_ICMPV6, solicitation, {
        hopLimit: 255,
      }),
    );
    const message = Buffer.from(reply.packet!.payload).toString('hex');
    expect(reply.packet?.hopLimit).toBe(255);
    expect(reply.frame.subarray(0, 6)).toEqual(hex('333300000001'));
    expect(message.slice(0, 4)).toBe('8600');
    expect(u16(reply.packet!.payload, 6)).toBe(1800);
    expect(message).toContain('030440c0000151800000384000000000fd0000d0000000000000000000000000');
    expect(message).toContain('19030000' + '00000708' + 'fd0000d0000000000000000000000003');
  });

  it('answers neighbor solicitations, for duplicate detection to all nodes (RFC 4861 7.2.4)', () => {
    const lab = new NatLab();
    const ask = (source: Uint8Array) => {
      const message = new Uint8Array(24);
      message[0] = 135;
      message.set(GATEWAY6, 8);
      const to = ip('ff02::1:ff00:2');
      sealIcmp(message, source, to);
      const mac = hex('3333ff000002');
      return lab.exchange(ipFrame(mac, source, to, IPPROTO_ICMPV6, message, { hopLimit: 255 }));
    };
    const [solicited] = ask(GUEST6);
    expect(u32(solicited.packet!.payload, 4)).toBe(0xe0000000);
    expect(solicited.packet?.destination).toEqual(GUEST6);
    const [probe] = ask(ip('::'));
    expect(u32(probe.packet!.payload, 4)).toBe(0xa0000000);
    expect(probe.packet?.destination).toEqual(ip('ff02::1'));
  });

  it('answers echo, and carries UDP', () => {
    const lab = new NatLab();
    const [reply] = lab.exchange(echo(GUEST6, GATEWAY6));
    expect(reply.packet?.payload[0]).toBe(129);
    const server = ip('2001:db8::9');
    lab.exchange(udpFrame(GATEWAY_MAC, GUEST6, 5000, server, 53, hex('aa')));
    expect(lab.host.sockets[0].sent).toMatchObject([{ address: '2001:db8::9', port: 53 }]);
    lab.host.sockets[0].events.onMessage(hex('bb'), '2001:0db8:0::9', 53);
    lab.settle();
    expect(lab.heard.at(-1)?.udp?.payload).toEqual(hex('bb'));
  });
});

describe('frames that are not for the gateway', () => {
  it('drops them without an answer', () => {
    const lab = new NatLab();
    const foreign = udpFrame(hex('00163e999999'), GUEST, 1, SERVER, 2, hex('aa'));
    const spoofed = udpFrame(GATEWAY_MAC, ip('10.9.9.9'), 1, SERVER, 2, hex('aa'));
    const asGateway = udpFrame(GATEWAY_MAC, GATEWAY, 1, SERVER, 2, hex('aa'));
    const broken = udpFrame(GATEWAY_MAC, GUEST, 1, SERVER, 2, hex('aa'));
    put16(broken, 24, 0x1234);
    for (const frame of [foreign, spoofed, asGateway, broken, new Uint8Array(5)])
      expect(lab.exchange(frame)).toEqual([]);
    expect(lab.host.sockets).toHaveLength(0);
    expect(lab.nat.counters.dropped).toBe(5);
    expect(DNS).toEqual(ip('10.0.2.3'));
  });
});
