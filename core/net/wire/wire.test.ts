import { describe, expect, it } from 'vitest';
import {
  addressOfPtrName,
  checksum,
  eui64Address,
  formatIp,
  formatMac,
  hostAddress,
  inPrefix,
  lastAddress,
  parseDnsQuery,
  parseIp,
  parseIpv4,
  parseIpv6,
  parseMac,
  parsePrefix,
  parseTcp,
  seqDiff,
  solicitedNode,
} from '.';

function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replace(/\s/g, ''), 'hex'));
}

describe('checksum', () => {
  it('is that of RFC 1071 section 3', () => {
    expect(checksum(hex('0001 f203 f4f5 f6f7'))).toBe(~0xddf2 & 0xffff);
  });

  it('agrees with a plain sum at every length and start', () => {
    const bytes = Uint8Array.from({ length: 100 }, (_, i) => (i * 37 + 11) & 0xff);
    for (let start = 0; start < 9; start++)
      for (let end = start; end <= 100; end++) {
        let sum = 0;
        for (let at = start; at < end; at += 2)
          sum += (bytes[at] << 8) | (at + 1 < end ? bytes[at + 1] : 0);
        while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
        expect(checksum(bytes, start, end)).toBe(~sum & 0xffff);
      }
  });
});

describe('addresses', () => {
  it('reads numeric addresses only: no names, no octal, no short forms', () => {
    expect(parseIp('10.0.2.15')).toEqual(hex('0a00020f'));
    expect(formatIp(parseIp('2001:db8::1')!)).toBe('2001:db8::1');
    for (const text of [
      '127.1',
      '0x7f.0.0.1',
      '0177.0.0.1',
      '2130706433',
      'localhost',
      '1.2.3.256',
      '::g',
      '',
    ])
      expect(parseIp(text), text).toBeUndefined();
  });

  it('knows prefixes', () => {
    const prefix = parsePrefix('172.16.0.0/12')!;
    expect(inPrefix(parseIp('172.31.255.255')!, prefix)).toBe(true);
    expect(inPrefix(parseIp('172.32.0.0')!, prefix)).toBe(false);
    expect(inPrefix(parseIp('::1')!, prefix)).toBe(false);
    expect(lastAddress(parsePrefix('10.0.2.0/24')!)).toEqual(hex('0a0002ff'));
    expect(hostAddress(parsePrefix('10.0.2.99/24')!, 15)).toEqual(hex('0a00020f'));
    for (const text of ['10.0.0.0/33', '10.0.0.0/', '10.0.0.0/8/8', '/8', 'fd00::/129'])
      expect(parsePrefix(text), text).toBeUndefined();
  });

  it('makes the addresses that are derived from others (RFC 4291)', () => {
    const mac = parseMac('00:16:3e:01:02:03')!;
    expect(formatMac(mac)).toBe('00:16:3e:01:02:03');
    expect(formatIp(eui64Address(parseIp('fe80::')!, mac))).toBe('fe80::216:3eff:fe01:203');
    expect(formatIp(solicitedNode(parseIp('fe80::216:3eff:fe01:203')!))).toBe('ff02::1:ff01:203');
    expect(parseMac('00:16:3e:01:02')).toBeUndefined();
    expect(formatIp(addressOfPtrName('9.113.0.203.in-addr.arpa')!)).toBe('203.0.113.9');
    expect(addressOfPtrName('9.113.0.999.in-addr.arpa')).toBeUndefined();
  });
});

describe('IP', () => {
  const header = '4500 0014 0000 4000 4011 22c9 0a00020f 0a000202';

  it('reads an IPv4 header and refuses one that is wrong anywhere', () => {
    const good = hex(header);
    expect(checksum(good)).toBe(0);
    expect(parseIpv4(good)).toMatchObject({ protocol: 17, hopLimit: 64 });
    for (let at = 0; at < 20; at++) {
      const bad = good.slice();
      bad[at] ^= 0x11;
      expect(parseIpv4(bad), `byte ${at}`).toBeUndefined();
    }
    expect(parseIpv4(good.subarray(0, 19))).toBeUndefined();
  });

  it('walks IPv6 extension headers, a bounded number of them', () => {
    const build = (next: number, body: string): Uint8Array => {
      const payload = hex(body);
      const packet = new Uint8Array(40 + payload.length);
      packet.set([0x60, 0, 0, 0, payload.length >> 8, payload.length, next, 64]);
      packet.set(payload, 40);
      return packet;
    };
    const option = '0000 0104 00000000';
    expect(parseIpv6(build(0, `3c00 0104 00000000 1100 0104 00000000 abcd`))).toMatchObject({
      protocol: 17,
      payload: hex('abcd'),
    });
    const fragment = parseIpv6(build(44, '1100 0009 00000007 abcd'));
    expect(fragment?.fragment).toEqual({ id: 7, offset: 8, more: true });
    expect(parseIpv6(build(60, `3c00 ${'0104 00000000 3c00'.repeat(20)}`))).toBeUndefined();
    expect(parseIpv6(build(43, '1100 0001 00000000'))).toBeUndefined();
    expect(parseIpv6(build(60, '11ff 0104 00000000'))).toBeUndefined();
    expect(option).toHaveLength(18);
  });
});

describe('TCP', () => {
  it('reads options of a SYN, whatever order, and survives broken ones', () => {
    const build = (options: string, offset: number): Uint8Array => {
      const bytes = new Uint8Array(20 + 40);
      bytes.set(hex('9c40 0050 00000001 00000000'));
      bytes[12] = offset << 4;
      bytes[13] = 2;
      bytes.set(hex(options), 20);
      return bytes;
    };
    const parse = (bytes: Uint8Array) => {
      const addresses = { source: new Uint8Array(4), destination: new Uint8Array(4) };
      const whole = { ...addresses, protocol: 6, hopLimit: 64, bytes };
      // All addresses zero: the pseudo header adds protocol and length only.
      let sum = 6 + bytes.length;
      for (let at = 0; at < bytes.length; at += 2) sum += (bytes[at] << 8) | bytes[at + 1];
      while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
      bytes[16] = (~sum >> 8) & 0xff;
      bytes[17] = ~sum & 0xff;
      return parseTcp({ ...whole, payload: bytes });
    };
    expect(parse(build('01 030307 020405b4 00', 8))).toMatchObject({ mss: 1460, windowShift: 7 });
    expect(parse(build('0303ff 00', 7))).toMatchObject({ windowShift: 14 });
    expect(parse(build('0200', 7))?.mss).toBeUndefined();
    expect(parse(build('02', 6))?.mss).toBeUndefined();
    expect(parse(build('00', 4))).toBeUndefined();
  });

  it('compares sequence numbers across the wrap (RFC 9293 3.4)', () => {
    expect(seqDiff(5, 0xfffffffb)).toBe(10);
    expect(seqDiff(0xfffffffb, 5)).toBe(-10);
  });
});

describe('DNS', () => {
  it('reads a question, and nothing that is none', () => {
    const query = hex('abcd 0100 0001 0000 0000 0000 03777777 076578616d706c65 00 0001 0001');
    expect(parseDnsQuery(query)).toEqual({
      name: 'www.example',
      type: 1,
      isInternet: true,
      end: query.length,
    });
    for (let length = 0; length < query.length; length++)
      expect(parseDnsQuery(query.subarray(0, length))).toBeUndefined();
    const pointer = query.slice();
    pointer[12] = 0xc0;
    expect(parseDnsQuery(pointer)).toBeUndefined();
  });
});
