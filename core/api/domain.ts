/** A domain's life in libxl's words. `installing` and `busy` are not states but tasks. */
export type DomainState = 'shutoff' | 'running' | 'paused' | 'saved' | 'crashed';

/** What to do when the guest ends, xl.cfg(5) `on_poweroff`, `on_reboot`, `on_crash`. */
export type EndAction = 'destroy' | 'restart' | 'preserve' | 'rename-restart';

export type DiskAccess = 'r' | 'w';
/** Formats of disk images; `vhd`, `vmdk` and `vdi` are only read. */
export type DiskFormat = 'raw' | 'qcow2' | 'vhd' | 'vmdk' | 'vdi';

/** One `disk=` entry, xl-disk-configuration(5). `vdev` names the guest's device, and by it the bus: `DISK_BUSES`. */
export interface DiskConfig {
  vdev: string;
  target: string;
  format: DiskFormat;
  access: DiskAccess;
  /** An ATAPI CD-ROM drive; empty drive when `target` is ''. */
  cdrom: boolean;
  /** Where the images that this one is an overlay of may lie; absent: it may be no overlay. */
  backing?: string;
}

/** Network cards by xl's and QEMU's names. */
export type NicModel = 'e1000' | 'rtl8139' | 'ne2k_pci' | 'virtio-net';

/** A port of the host whose traffic goes to a guest. */
export interface PortForwardConfig {
  protocol: 'tcp' | 'udp';
  /** Address of the host to listen on; 127.0.0.1 serves this computer only. */
  hostAddress: string;
  /** 0: any free port. */
  hostPort: number;
  /** '' for the address the guest has. */
  guestAddress: string;
  guestPort: number;
}

/** One `vif=` entry, xl-network-configuration(5). */
export interface VifConfig {
  /** Lower case, colons. */
  mac: string;
  model: NicModel;
  /** The network it is plugged into, by name. */
  bridge: string;
  /** False: the cable is out. */
  link: boolean;
  forwards: PortForwardConfig[];
}

/** The configuration of a domain: xl.cfg keys under their own names. Memory in MiB. Paths are absolute. */
export interface DomainConfig {
  name: string;
  uuid: string;
  type: 'hvm';
  memory: number;
  vcpus: number;
  /** Direct boot of a bzImage; empty string for firmware boot. */
  kernel: string;
  ramdisk: string;
  /** Kernel command line: `root=` key and `extra=` joined. */
  root: string;
  extra: string;
  disk: DiskConfig[];
  vif: VifConfig[];
  /** Boot order letters: c disk, d CD-ROM, a floppy, n network. */
  boot: string;
  /** A user-supplied ROM to run instead of the built-in BIOS; '' for the built-in one. */
  firmware: string;
  vnc: boolean;
  vnclisten: string;
  vncdisplay: number | null;
  vncpasswd: string;
  /** 'pty' shows the serial console; 'none' has no port. */
  serial: 'pty' | 'none';
  keymap: string;
  /** False: the interpreter runs everything, for comparing and for finding faults of the translator. Absent: true. */
  translate?: boolean;
  /**
   * True while an operating system is being installed: when the guest ends a run in which it has made its first disk
   * bootable, it goes on from that disk (`afterInstall` of core/toolstack/install). Absent: false.
   */
  install?: boolean;
  on_poweroff: EndAction;
  on_reboot: EndAction;
  on_crash: EndAction;
}

export interface DomainStats {
  /** CPU time of the vcpus over the last second, 0..1 per vcpu summed. */
  cpu: number;
  /** CPU time of the vcpus since the domain started, seconds. */
  cpuSeconds: number;
  /** True when every vcpu was halted (waiting for an interrupt) at the last sample. */
  blocked: boolean;
  /** Resident memory of the domain process, bytes. */
  rssBytes: number;
  /** Million guest instructions in the last second. */
  mips: number;
  diskReadBytes: number;
  diskWriteBytes: number;
  /** To the guest and from it, all cards, since the domain started. */
  netRxBytes: number;
  netTxBytes: number;
}

export interface DomainInfo {
  config: DomainConfig;
  state: DomainState;
  /** Xen-style id of a running domain; null when shut off. Domain 0 is the host. */
  domid: number | null;
  /** Why it is in this state, in one sentence, when that is worth saying ('crashed: the domain process was killed'). */
  reason: string;
  startedAtMs: number | null;
  /** TCP port on 127.0.0.1 of the VNC server, when vnc=1 and running. */
  vncPort: number | null;
  stats: DomainStats;
  /**
   * What the running machine is made of: the configuration as it was at its start, with the discs and network cables of
   * now. Where `config` differs, it does so from the next start on. Absent while it is off.
   */
  machine?: DomainConfig;
}

/** Figures of the host and of running domains are told once in so many seconds: an idle app shall sleep. */
export const STATS_SECONDS = 2;

export interface HostInfo {
  hostname: string;
  cpus: number;
  cpuModel: string;
  cpu: number;
  memoryBytes: number;
  memoryFreeBytes: number;
  version: string;
}

/** Where the evidence of an operating system was found on an image. */
export interface IsoReport {
  path: string;
  sizeBytes: number;
  volumeId: string;
  /** 'debian12', 'generic'. */
  osId: string;
  /** 'Debian GNU/Linux 12 (bookworm)', 'Unknown operating system'. */
  osName: string;
  /** What the detection rests on, one line each, for the user to see. */
  evidence: string[];
  bootable: 'el-torito' | 'none';
  /** Present when the image cannot be used as a boot CD, with the reason in a sentence. */
  problem?: string;
  suggested: { name: string; memory: number; vcpus: number; diskGiB: number };
}
