/** Images of every format, ways to damage them, and everything that is done with an image of unknown origin. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import {
  checkImage,
  copyFromIso,
  createQcow2,
  describeImage,
  findBootFiles,
  ImageError,
  inspectIso,
  openImage,
  type ImageFormat,
  type ImageHost,
} from '../../core/storage';
import { HOST, OWNER, qemuImg, qemuIo, run, type Directory } from './qemu';
import { Random } from './random';

export type SampleFormat = ImageFormat | 'iso';

export interface Sample {
  readonly name: string;
  readonly format: SampleFormat;
  readonly bytes: Buffer;
}

export const EXTREMES = [0, 1, 0x1ff, 0x200, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffe00];

/** Images with some of everything in them. */
export async function makeSamples(directory: Directory): Promise<Sample[]> {
  const raw = directory.file('s.raw');
  const data = Buffer.alloc(600 << 10);
  data.set(new Random(2).bytes(100 << 10), 10 << 10);
  data.fill('text ', 200 << 10, 300 << 10);
  writeFileSync(raw, data);
  const rich = directory.file('rich.qcow2');
  qemuImg('convert', '-c', '-f', 'raw', '-O', 'qcow2', '-o', 'cluster_size=4k', raw, rich);
  qemuIo('qcow2', rich, 'write -P 5 100k 50k', 'write -z 300k 64k');
  qemuImg('snapshot', '-c', 'one', rich);
  qemuIo('qcow2', rich, 'write -P 6 120k 50k');
  qemuImg('bitmap', '-f', 'qcow2', '--add', rich, 'b');
  const small = directory.file('small.qcow2');
  await createQcow2(HOST.files, { path: small, sizeBytes: 1 << 20, clusterBytes: 512 });
  qemuIo('qcow2', small, 'write -P 1 0 64k', 'write -P 2 900k 64k');
  const converted = (
    [
      ['dynamic VHD', 'vhd', '-O', 'vpc'],
      ['VMDK', 'vmdk', '-O', 'vmdk'],
      ['stream-optimised VMDK', 'vmdk', '-O', 'vmdk', '-o', 'subformat=streamOptimized'],
      ['VDI', 'vdi', '-O', 'vdi'],
    ] as const
  ).map(([name, format, ...options]): Sample => {
    const file = directory.file(`s.${name}`);
    qemuImg('convert', '-f', 'raw', ...options, raw, file);
    return { name, format, bytes: readFileSync(file) };
  });
  return [
    { name: 'qcow2 with everything', format: 'qcow2', bytes: readFileSync(rich) },
    { name: 'qcow2 of small clusters', format: 'qcow2', bytes: readFileSync(small) },
    ...converted,
  ];
}

/** An installer's CD in small, with Rock Ridge, Joliet and a boot catalog; needs xorriso. */
export function makeIsoSample(directory: Directory): Sample {
  const random = new Random(3);
  const tree: Record<string, string | Uint8Array> = {
    '.disk/info': 'Debian GNU/Linux 12.5.0 "Bookworm" - Official amd64 NETINST\n',
    '.treeinfo': '[general]\nfamily = Fedora\nversion = 40\n',
    'install.amd/vmlinuz': random.bytes(5000),
    'install.amd/initrd.gz': random.bytes(9000),
    'isolinux/isolinux.bin': random.bytes(4096),
    'isolinux/isolinux.cfg': 'label install\n  kernel /install.amd/vmlinuz\n',
    'boot/grub/grub.cfg': 'menuentry "Install" {\n linux /install.amd/vmlinuz\n}\n',
  };
  for (const [name, content] of Object.entries(tree)) {
    const path = directory.file(`tree/${name}`);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  }
  const path = directory.file('s.iso');
  const { status, output } = run('xorriso', '-as', 'mkisofs', '-quiet', '-r', '-J', '-V', 'TEST', '-b', 'isolinux/isolinux.bin', '-c', 'isolinux/boot.cat', '-no-emul-boot', '-boot-load-size', '4', '-o', path, directory.file('tree')); // prettier-ignore
  if (status !== 0) throw new Error(`xorriso: ${output}`);
  return { name: 'ISO', format: 'iso', bytes: readFileSync(path) };
}

/** Changes a few places of a copy at random, perhaps cuts it off. */
export function damaged(random: Random, { bytes, format }: Sample): Buffer {
  const copy = Buffer.from(bytes);
  // Tables have values at multiples of 8; most bytes of a file are data, so its tables come more often.
  const table = format === 'iso' ? 16 * 2048 : 0;
  const most = format === 'iso' ? 24 * 2048 : 65536;
  for (let change = 1 + random.below(4); change > 0; change--) {
    const length = Math.min(random.pick([512, most, copy.length]), copy.length - table);
    const at = table + random.below(length >> 3) * 8;
    const how = random.below(4);
    if (how === 0) copy[at + random.below(8)] = random.below(256);
    else if (how === 1) copy.writeUInt32BE(random.pick(EXTREMES), at + random.pick([0, 4]));
    else if (how === 2) copy[at + random.below(8)] ^= 1 << random.below(8);
    else copy.copy(copy, at, random.below(copy.length >> 3) * 8, at);
  }
  return random.below(10) === 0 ? copy.subarray(0, random.below(copy.length)) : copy;
}

/** Runs `act`; a clear error that names the image is as good as success. */
async function allowed(path: string, act: () => Promise<unknown>): Promise<void> {
  try {
    await act();
  } catch (cause) {
    const clear =
      cause instanceof ImageError &&
      cause.code !== 'FAILED' &&
      cause.message.includes(path) &&
      cause.message.length < 400 &&
      !/\n/.test(cause.message);
    if (!clear) throw cause;
  }
}

async function useIso({ files }: ImageHost, path: string): Promise<void> {
  const found = await inspectIso(files, path);
  if (found.problem !== undefined && (found.problem === '' || found.problem.length > 400))
    throw new Error(`no clear problem: ${found.problem}`);
  await allowed(path, async () => {
    const { kernel, ramdisk } = await findBootFiles(files, path);
    for (const [name, extent] of [
      ['kernel', kernel],
      ['ramdisk', ramdisk],
    ] as const)
      // prettier-ignore
      await copyFromIso(files, path, extent, `${path}.${name}`);
  });
}

/** Everything that is done with an image of unknown origin; `fresh` gives a host where it is as it came. */
export async function useImage(
  fresh: () => ImageHost,
  path: string,
  format: SampleFormat,
): Promise<void> {
  const host = fresh();
  if (format === 'iso') return useIso(host, path);
  const task = { path, format, owner: OWNER };
  await allowed(path, () => describeImage(host, path, format));
  await allowed(path, () => checkImage(host, task));
  await allowed(path, async () => {
    const image = await openImage(host, { ...task, readOnly: true });
    try {
      const end = image.sizeBytes;
      await allowed(path, () => image.read(0, Math.min(end, 1 << 20)));
      await allowed(path, () => image.read(Math.max(0, end - 4096), Math.min(end, 4096)));
      await allowed(path, () => image.extent(0, end));
    } finally {
      await image.close();
    }
  });
  if (format !== 'qcow2') return;
  await allowed(path, async () => {
    const image = await openImage(fresh(), { ...task, readOnly: false });
    try {
      const end = image.sizeBytes;
      for (const offset of [0, 100 << 10, 130 << 10, end - 512])
        if (offset >= 0 && offset + 512 <= end)
          await allowed(path, () => image.write(offset, new Uint8Array(512).fill(7)));
      if (end >= 1 << 19) await allowed(path, () => image.discard(0, 1 << 19));
      await image.flush();
    } finally {
      await image.close();
    }
  });
  await allowed(path, () => checkImage(fresh(), task, 'all'));
}
