import { describe, expect, it } from 'vitest';
import { DomusError } from '../../api';
import { defaultMac, formatForward, formatVifSpec, parseForward, parseVifSpec } from './vif-spec';

const MAC = '00:16:3e:01:02:03';
const AT = { file: 'guest.cfg', line: 3, column: 8 };

function parse(spec: string) {
  const warnings: string[] = [];
  const vif = parseVifSpec(spec, AT, MAC, (at, message) =>
    warnings.push(`${at.column}: ${message}`),
  );
  return { vif, warnings };
}

function fault(spec: string): string {
  try {
    parse(spec);
  } catch (error) {
    if (error instanceof DomusError) return `${error.position?.column ?? 0}: ${error.message}`;
    throw error;
  }
  return '';
}

describe('vif=', () => {
  it('is a card on the NAT network when it says nothing', () => {
    const vif = { mac: MAC, model: 'e1000', bridge: 'nat', link: true, forwards: [] };
    expect(parse('')).toEqual({ vif, warnings: [] });
    expect(parse(' ').vif).toEqual(vif);
  });

  it("reads xl's words and passes over what means nothing here", () => {
    const { vif, warnings } = parse(
      'type=ioemu, mac=00:16:3E:AA:bb:01,bridge=office,model=virtio-net-pci, vifname=v1,script=vif-bridge',
    );
    expect(vif).toMatchObject({
      mac: '00:16:3e:aa:bb:01',
      bridge: 'office',
      model: 'virtio-net',
    });
    expect(warnings).toEqual([]);
    expect(parse('rate=1Mb/s').warnings).toEqual(["8: 'rate' of a vif has no effect here"]);
  });

  it('takes the default network for a bridge of the host, and says so', () => {
    expect(parse('bridge=xenbr0')).toMatchObject({
      vif: { bridge: 'nat' },
      warnings: ["8: there is no bridge xenbr0 here; the network 'nat' takes its place"],
    });
  });

  it("reads port forwards in QEMU's spelling, several of them", () => {
    expect(parse('hostfwd=tcp::2222-:22,hostfwd=udp:[::1]:53-10.0.2.9:5353').vif.forwards).toEqual([
      {
        protocol: 'tcp',
        hostAddress: '127.0.0.1',
        hostPort: 2222,
        guestAddress: '',
        guestPort: 22,
      },
      {
        protocol: 'udp',
        hostAddress: '::1',
        hostPort: 53,
        guestAddress: '10.0.2.9',
        guestPort: 5353,
      },
    ]);
  });

  it.each([
    ['mac=00:16:3e', "8: '00:16:3e' is not a MAC address: 00:16:3e:12:34:56"],
    [
      'mac=01:00:5e:00:00:01',
      "8: '01:00:5e:00:00:01' is a group address; a card has one of its own",
    ],
    [
      'bridge=nat, model=ne2k',
      "20: the network card 'ne2k' is not known; it is e1000, rtl8139, ne2k_pci or virtio-net",
    ],
    ['bridge', "8: 'bridge' is not a key=value word of a vif"],
    ['colour=red', "8: 'colour' is not part of a vif specification"],
    ['link=maybe', "8: link is up or down, not 'maybe'"],
  ])('says what is wrong with %j', (spec, message) => {
    expect(fault(spec)).toBe(message);
  });

  it.each(['tcp:2222-22', 'tcp::70000-:22', 'tcp::22-:0', 'icmp::1-:1', 'tcp:host:1-:2', ''])(
    'refuses the forward %j',
    (text) => {
      expect(parseForward(text)).toBeUndefined();
    },
  );

  it('writes what it reads', () => {
    const text =
      'mac=00:16:3e:00:00:09, bridge=lab, model=rtl8139, link=down, hostfwd=tcp::2222-:22, hostfwd=udp:[::1]:53-10.0.2.9:53';
    expect(formatVifSpec(parse(text).vif)).toBe(text);
    const open = parseForward('tcp:0.0.0.0:80-:80')!;
    expect(formatForward(open)).toBe('tcp:0.0.0.0:80-:80');
  });

  it('makes up addresses with the Xen prefix that stay the same', () => {
    const name = 'debian';
    expect(defaultMac(name, 0)).toMatch(/^00:16:3e:[0-7][0-9a-f]:/);
    expect(defaultMac(name, 0)).toBe(defaultMac(name, 0));
    expect(defaultMac(name, 0)).not.toBe(defaultMac(name, 1));
  });
});
