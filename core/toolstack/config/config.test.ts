import { describe, expect, it } from 'vitest';
import { DomusError, type DomainConfig } from '../../api';
import { parseConfig } from './config';
import { formatConfig } from './format';
import { configProblem } from './schema';

const UUID = '4f2032f2-e9c0-4449-8f66-22317e0c423b';

function parse(text: string): { config: DomainConfig; warnings: string[] } {
  return parseConfig(text, { file: 'guest.cfg', directory: '/etc/xen', newUuid: () => UUID });
}

/** `line:column: message` of the fault. */
function fault(text: string): string {
  try {
    parse(text);
  } catch (error) {
    if (!(error instanceof DomusError)) throw error;
    return `${error.position?.line}:${error.position?.column}: ${error.message}`;
  }
  throw new Error('the text was accepted');
}

describe('parseConfig', () => {
  it('reads the keys of xl.cfg(5)', () => {
    const { config, warnings } = parse(`
# a comment
name = "debian"; memory = 1024   # two settings on a line
vcpus=1
kernel = '/boot/vmlinuz'
ramdisk = "initrd.gz"
root = "/dev/sda1 ro"
extra = "console=ttyS0"
disk = [
  'format=raw, vdev=hda, access=rw, target=/x.img',
  'file:/x.iso,hdc:cdrom,r',
]
vif = [ 'mac=00:16:3e:00:00:01' ]
boot = "dc"
vnc = 1
vncdisplay = 3
on_crash = 'preserve'
uuid = "${UUID.toUpperCase()}"
`);
    expect(warnings).toEqual([]);
    expect(config).toEqual({
      name: 'debian',
      uuid: UUID,
      type: 'hvm',
      memory: 1024,
      vcpus: 1,
      kernel: '/boot/vmlinuz',
      ramdisk: '/etc/xen/initrd.gz',
      root: '/dev/sda1 ro',
      extra: 'console=ttyS0',
      disk: [
        { vdev: 'hda', target: '/x.img', format: 'raw', access: 'w', cdrom: false },
        { vdev: 'hdc', target: '/x.iso', format: 'raw', access: 'r', cdrom: true },
      ],
      vif: [{ mac: '00:16:3e:00:00:01', model: 'e1000', bridge: 'nat', link: true, forwards: [] }],
      boot: 'dc',
      firmware: '',
      vnc: true,
      vnclisten: '127.0.0.1',
      vncdisplay: 3,
      vncpasswd: '',
      serial: 'pty',
      keymap: 'en-us',
      on_poweroff: 'destroy',
      on_reboot: 'restart',
      on_crash: 'preserve',
    });
  });

  it('has the defaults of the key table', () => {
    expect(parse('name="a"').config).toMatchObject({
      memory: 512,
      vcpus: 1,
      boot: 'cd',
      vnc: true,
      on_poweroff: 'destroy',
      on_reboot: 'restart',
      on_crash: 'destroy',
      uuid: UUID,
    });
  });

  it('reads and writes translate, which is on unless it is said', () => {
    expect(parse('name="a"').config).not.toHaveProperty('translate');
    expect(parse('name="a"\ntranslate=1').config).not.toHaveProperty('translate');
    const { config } = parse('name="a"\ntranslate=0');
    expect(config.translate).toBe(false);
    expect(parse(formatConfig(config)).config).toEqual(config);
  });

  it('resolves escapes as libxlu_cfg_l.l does, and joins with +=', () => {
    expect(parse('name="a"\nextra = "a\\tb\\x41\\101\\"c"').config.extra).toBe('a\tbAA"c');
    expect(parse('name="a"\nextra = "quiet"\nextra += " splash"').config.extra).toBe(
      'quiet splash',
    );
    expect(
      parse("name='a'\ndisk=['/a,,hda']\ndisk+=['/b,,hdb']").config.disk.map((disk) => disk.target),
    ).toEqual(['/a', '/b']);
  });

  it('reads what xm files have that needs no Python', () => {
    const { config } = parse(
      'name = "a" + "b"\nmemory = "256"\nvnc = True\nextra = """x=1"""\ndisk = [ "file:/x.img,hda,w", ]\n',
    );
    expect(config).toMatchObject({ name: 'ab', memory: 256, vnc: true, extra: 'x=1' });
  });

  it('takes cmdline before root and extra, vfb for the vnc keys', () => {
    expect(parse('name="a"\ncmdline="x"\nroot="/dev/sda"\nextra="y"').config).toMatchObject({
      root: '',
      extra: 'x',
    });
    expect(
      parse('name="a"\nvfb=["type=vnc,vnclisten=127.0.0.1:7,vncpasswd=secret"]').config,
    ).toMatchObject({ vnc: true, vncdisplay: 7, vncpasswd: 'secret' });
  });

  it.each([
    ['name = "x', '1:8: the string that starts here has no closing "'],
    ['name = x', '1:8: unexpected "x"; put text in quotes'],
    ['name "x"', `1:6: expected '=' after 'name', not "\\"x\\""`],
    ['name = "x"\nmemory = lots\n', '2:10: unexpected "lots"; put text in quotes'],
    ['name = "x"\nmemory = "lots"\n', `2:10: 'memory' is a whole number, not "lots"`],
    ['name = "x"\nmemory = 8\n', `2:10: 'memory' must be at least 16 MiB`],
    ['name = "x"\nmemory = 999999\n', `2:10: 'memory' must be at most 3072 MiB`],
    ['name = "x"\ndisk = [ "a,,hda"', "2:8: the list that starts here has no closing ']'"],
    [
      'name = "x"\ndisk = [ "a,,hda" "b" ; ]',
      `2:23: unexpected ";" in a list; items are separated by ','`,
    ],
    [
      'name = "x"\n  disk = [ "/a,raw,hdz,w" ]\n',
      "2:13: vdev 'hdz' cannot be had; there are hda to hdd (IDE), sda to sdf (SATA), vda to vdp (VirtIO)",
    ],
    [
      'name = "x"\ndisk = [ "/a,qed,hda,w" ]\n',
      "2:11: the format 'qed' of hda cannot be used; convert the image first: qemu-img convert -O qcow2 OLD NEW",
    ],
    [
      'name = "x"\ndisk = [ "/a,raw,hda,w,zz,more" ]\n',
      '2:24: "zz" is one word too many in this disk specification',
    ],
    ['name = "x"\ndisk = [ "/a,,hda", "/b,,hda" ]\n', "2:8: 'disk' two disks are called hda"],
    ['name = "x"\nhdtype = "scsi"\n', `2:10: 'hdtype' is "ide" or "ahci", not "scsi"`],
    [
      'name = "x"\nhdtype = "ahci"\ndisk = [ "/a,,sda", "/b,,hda" ]\n',
      '3:22: sda is taken: hdtype="ahci" makes hdX the SATA disk sdX',
    ],
    ['import os\nname = "x"', `1:1: 'import' is Python, which is not run; write plain settings`],
    ['name = "x%d" % 3', "1:14: '%' is Python, which is not run; write the text out"],
    ['memory = 64', `1:1: there is no 'name'; every domain needs one: name = "guest"`],
    [
      'name = "a b"',
      "1:8: 'name' must be 1 to 64 letters, digits or _ . + : @ - and not start with -",
    ],
    ['name = "x"\ntype = "pv"', `2:8: 'type' is "hvm", not "pv"`],
    [
      'name = "x"\nvnclisten = "0.0.0.0"',
      "2:13: 'vnclisten' must be 127.0.0.1: the screen is served to this computer only",
    ],
    [
      'name = "x" memory = 5',
      `1:12: unexpected "memory" after a value; a setting ends with its line or ';'`,
    ],
    ['name = "x"\nextra = "\\q"', '2:10: unknown escape \\q; write \\\\ for a backslash'],
    ['name = "x"\n?', '2:1: unexpected character "?"'],
    [`name = ${'['.repeat(20)}`, '1:16: lists are nested more than 8 deep'],
  ])('says where %j is wrong', (text, message) => {
    expect(fault(text)).toBe(message);
  });

  it('warns of keys it does not know, with the key that was meant', () => {
    expect(parse('name="a"\nmemroy = 5\nacpi = 1\nfrobnicate = 1').warnings).toEqual([
      "guest.cfg:2:1: unknown key 'memroy' is passed over; did you mean 'memory'?",
      "guest.cfg:3:1: 'acpi' has no effect here",
      "guest.cfg:4:1: unknown key 'frobnicate' is passed over",
    ]);
  });

  it('refuses hostile text quickly and always with a place', () => {
    for (const text of [
      '['.repeat(1e5),
      '"'.repeat(1e5),
      `a=[${'"x",'.repeat(1e4)}`,
      '\0',
      'a=\u2028',
      '='.repeat(1000),
    ]) {
      expect(fault(`name="x"\n${text}`)).toMatch(/^\d+:\d+: /);
    }
  });
});

describe('formatConfig', () => {
  const base = parse('name="a"').config;

  it('reads back to the same configuration', () => {
    const config: DomainConfig = {
      ...base,
      name: 'a-b',
      memory: 64,
      kernel: '/k',
      extra: `quoted "and" 'both' \\ back`,
      vncdisplay: 4,
      vncpasswd: 'p"w',
      firmware: '/bios.bin',
      serial: 'none',
      keymap: 'de',
      disk: [
        {
          vdev: 'hda',
          target: '/with, comma and "quotes".img',
          format: 'raw',
          access: 'w',
          cdrom: false,
        },
        { vdev: 'hdc', target: '', format: 'raw', access: 'r', cdrom: true },
      ],
      vif: [
        {
          mac: '00:16:3e:0a:0b:0c',
          model: 'rtl8139',
          bridge: 'office',
          link: false,
          forwards: [
            {
              protocol: 'udp',
              hostAddress: '::1',
              hostPort: 0,
              guestAddress: '10.0.2.20',
              guestPort: 53,
            },
          ],
        },
      ],
    };
    expect(configProblem(config)).toBeUndefined();
    const { config: read, warnings } = parse(formatConfig(config));
    expect(read).toEqual(config);
    expect(warnings).toEqual([]);
  });

  it('is stable', () => {
    const text = formatConfig(base);
    expect(formatConfig(parse(text).config)).toBe(text);
  });
});
