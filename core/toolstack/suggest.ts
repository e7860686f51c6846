import type { DomainConfig, IsoReport, Result } from '../api';
import { inspectIso } from '../storage';
import { DEFAULT_MODEL, DEFAULT_NETWORK, defaultMac, MIN_MEMORY_MIB } from './config';
import { unattendedFormat } from './install';
import type { Toolstack } from './toolstack';

const MIB = 2 ** 20;
const DEFAULT_MEMORY_MIB = 1024;
const DEFAULT_DISK_GIB = 20;

/** `debian12`, or `debian12-2` when that is taken. */
function freeName(toolstack: Toolstack, wanted: string): string {
  if (toolstack.isNameFree(wanted)) return wanted;
  let number = 2;
  while (!toolstack.isNameFree(`${wanted}-${number}`)) number++;
  return `${wanted}-${number}`;
}

/** Not more than half of what is free, in steps of 64 MiB; what the system wants if that fits. */
function memoryFor(wantedMiB: number, freeMiB: number): number {
  return Math.max(MIN_MEMORY_MIB, Math.min(wantedMiB, Math.floor(freeMiB / 2 / 64) * 64));
}

async function freeImagePath(toolstack: Toolstack, name: string): Promise<string> {
  const { host, dataDir } = toolstack.options;
  for (let number = 1; ; number++) {
    const path = `${dataDir}/images/${name}${number === 1 ? '' : `-${number}`}.img`;
    if (!(await host.files.stat(path))) return path;
  }
}

/** A configuration with every default filled in, for an ISO or for an empty domain. */
export async function suggestConfig(
  toolstack: Toolstack,
  iso: string | undefined,
): Promise<Result<'domain/suggest'>> {
  const { host } = toolstack.options;
  const report: IsoReport | undefined =
    iso === undefined ? undefined : await inspectIso(host.files, iso);
  const freeMiB = Math.floor(host.system.sample().memoryFreeBytes / MIB);
  const hostFreeMiB = Math.max(0, freeMiB - toolstack.promisedMiB());
  const uuid = host.system.uuid();
  const name = freeName(toolstack, report?.suggested.name ?? 'guest');
  const config: DomainConfig = {
    name,
    uuid,
    type: 'hvm',
    memory: memoryFor(report?.suggested.memory ?? DEFAULT_MEMORY_MIB, hostFreeMiB),
    vcpus: 1,
    kernel: '',
    ramdisk: '',
    root: '',
    extra: '',
    disk: [
      {
        vdev: 'hda',
        target: await freeImagePath(toolstack, name),
        format: 'raw',
        access: 'w',
        cdrom: false,
      },
    ],
    vif: [
      {
        mac: defaultMac(uuid, 0),
        model: DEFAULT_MODEL,
        bridge: DEFAULT_NETWORK,
        link: true,
        forwards: [],
      },
    ],
    boot: 'cd',
    firmware: '',
    vnc: true,
    vnclisten: '127.0.0.1',
    vncdisplay: null,
    vncpasswd: '',
    serial: 'pty',
    keymap: 'en-us',
    on_poweroff: 'destroy',
    on_reboot: 'restart',
    on_crash: 'destroy',
  };
  if (iso !== undefined) {
    config.disk.push({ vdev: 'hdc', target: iso, format: 'raw', access: 'r', cdrom: true });
    // A CD that installs nothing makes no disk bootable, and nothing follows from this.
    config.install = true;
  }
  const unattended = report && (await unattendedFormat(host.files, report.path, report.osId));
  return {
    config,
    ...(report ? { report } : {}),
    ...(unattended === undefined ? {} : { unattended }),
    hostFreeMiB,
    diskGiB: report?.suggested.diskGiB ?? DEFAULT_DISK_GIB,
  };
}
