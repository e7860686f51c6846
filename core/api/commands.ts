import type { DomainConfig, DomainInfo, HostInfo, IsoReport } from './domain';
import type { AnswerFormat, InstallAnswers, InstallRequest, InstallSeed } from './install';
import type { NetworkConfig, VifInfo } from './network';
import type { DomainPerformance } from './performance';
import type { ImageCheck, ImageName, StorageList } from './storage';
import type { TrashEntry } from './trash';

/**
 * Every act of the toolstack, as method name -> [params, result]. The CLI calls them over the Unix socket, the
 * app over its MessagePort, tests call them directly. Domains are named by name, uuid or domid (as text).
 */
export interface Commands {
  'host/info': [Record<string, never>, HostInfo];
  'domain/list': [Record<string, never>, DomainInfo[]];
  'domain/get': [{ domain: string }, DomainInfo];
  /** Stores a configuration; creates missing writable disks (raw or qcow2) of `createDiskBytes[vdev]` bytes (sparse). */
  'domain/define': [{ config: DomainConfig; createDiskBytes?: Record<string, number> }, DomainInfo];
  /** Replaces the stored configuration of a shut-off domain, or for the next boot; creates disks as `domain/define` does. */
  'domain/redefine': [
    { domain: string; config: DomainConfig; createDiskBytes?: Record<string, number> },
    DomainInfo,
  ];
  'domain/start': [{ domain: string; paused?: boolean }, DomainInfo];
  'domain/pause': [{ domain: string }, DomainInfo];
  'domain/unpause': [{ domain: string }, DomainInfo];
  /** ACPI power button. */
  'domain/shutdown': [{ domain: string }, DomainInfo];
  /** ACPI power button then start again; falls to reset when the guest ignores it and `force` is set. */
  'domain/reboot': [{ domain: string }, DomainInfo];
  /** Reset line. */
  'domain/reset': [{ domain: string }, DomainInfo];
  /** Force off. */
  'domain/destroy': [{ domain: string }, DomainInfo];
  /**
   * Moves a domain that is off into the trash, with the images named in `deleteDisks` (paths of its own disks); or
   * removes them `forGood`, and answers null. IMAGE_IN_USE when another domain needs one of them.
   */
  'domain/delete': [
    { domain: string; deleteDisks?: string[]; forGood?: boolean },
    TrashEntry | null,
  ];
  /** Deleted domains and images, the latest first. */
  'trash/list': [Record<string, never>, TrashEntry[]];
  /**
   * Gives a deleted domain (by id, or name when it is the only one) back, under another name when `name` is given; or
   * an image, and answers null.
   */
  'trash/restore': [{ entry: string; name?: string }, DomainInfo | null];
  /** Removes a deleted domain and its images, or an image, for good. */
  'trash/delete': [{ entry: string }, { freedBytes: number }];
  'trash/empty': [Record<string, never>, { freedBytes: number }];
  /** PNG of the current screen, base64. */
  'domain/screenshot': [
    { domain: string },
    { png: string; width: number; height: number; text: string[] | null },
  ];
  /** Scan codes, set 1, in order (KeyboardSink form); a release is `-code`. */
  'domain/sendKeys': [{ domain: string; scancodes: number[] }, null];
  /** Types text with the domain's keymap; characters it does not have are reported back. */
  'domain/typeText': [{ domain: string; text: string }, { skipped: string[] }];
  /**
   * Serial output kept since boot (last 1 MiB), base64; and how many bytes came before what is kept. `console` events
   * go on from there: those that arrive before this answer are part of it.
   */
  'console/history': [{ domain: string }, { data: string; dropped: number }];
  /** Bytes to the serial port, base64. */
  'console/write': [{ domain: string; data: string }, null];
  /** xl.cfg text <-> configuration. */
  'config/parse': [{ text: string; file?: string }, { config: DomainConfig; warnings: string[] }];
  'config/format': [{ config: DomainConfig }, { text: string }];
  'iso/inspect': [{ path: string }, IsoReport];
  /** A configuration with every default filled for an image (name unique). */
  'domain/suggest': [
    { iso?: string },
    {
      config: DomainConfig;
      report?: IsoReport;
      hostFreeMiB: number;
      diskGiB: number;
      /** Which answers the installer on the image reads, when it is one that can be left alone with them. */
      unattended?: AnswerFormat;
    },
  ];
  /** A password as installers take it (SHA-512 crypt); it is kept nowhere. */
  'install/hashPassword': [{ password: string }, { hash: string }];
  /** The answer files as they will be used. `instanceId` tells domains apart, as a uuid does. */
  'install/answers': [
    { format: AnswerFormat; answers: InstallAnswers; instanceId: string },
    InstallSeed,
  ];
  /** `domain/define` of a domain that installs a system: kernel and ramdisk out of a CD, answers beside them. */
  'domain/install': [InstallRequest, DomainInfo];
  /** The networks that cards can be plugged into. */
  'network/list': [Record<string, never>, NetworkConfig[]];
  /** Stores a network, new or changed; running domains see the change at their next start. */
  'network/define': [{ network: NetworkConfig }, NetworkConfig];
  /** Removes a network; one that is always there gets its defaults back. */
  'network/delete': [{ network: string }, null];
  /** The network cards of a running domain: addresses, traffic, refused destinations. */
  'domain/networks': [{ domain: string }, VifInfo[]];
  /** What the CPU engine of a running domain has counted. */
  'domain/performance': [{ domain: string }, DomainPerformance];
  /** Plugs the cable of card `devid` in or pulls it; the configuration keeps it. */
  'domain/setLink': [{ domain: string; devid: number; up: boolean }, DomainInfo];
  /**
   * Puts a CD image into a drive, instead of what lies in it, and keeps it in the configuration; while the domain runs,
   * too. BAD_STATE when the guest holds the disc (it is told of the wish) unless `force`.
   */
  'domain/cdInsert': [{ domain: string; vdev: string; path: string; force?: boolean }, DomainInfo];
  /** Empties a CD-ROM drive; the same otherwise. */
  'domain/cdEject': [{ domain: string; vdev: string; force?: boolean }, DomainInfo];
  /** Writes the frames of a running domain's card `devid` to a new pcapng file; '' ends that. */
  'domain/capture': [{ domain: string; devid: number; path: string }, null];
  /** Folders with images, and every image in them or named by a machine. */
  'storage/list': [Record<string, never>, StorageList];
  /** Looks into another folder from now on. */
  'storage/addFolder': [{ path: string }, null];
  /** Looks into it no more; its files stay. */
  'storage/removeFolder': [{ path: string }, null];
  /** Makes a disk larger. The image must not be in use. */
  'image/grow': [ImageName & { sizeBytes: number }, null];
  /** Writes the image anew without what is zeros or unused; how many bytes of this computer that gave back. */
  'image/compact': [ImageName, { freedBytes: number }];
  /** Checks the tables of an image; `repair` mends what can be (qcow2). */
  'image/check': [ImageName & { repair?: boolean }, ImageCheck];
  /** Moves an image that no machine needs into the trash. */
  'image/delete': [{ path: string }, TrashEntry];
  'task/cancel': [{ task: number }, null];
}

export type CommandName = keyof Commands;
export type Params<C extends CommandName> = Commands[C][0];
export type Result<C extends CommandName> = Commands[C][1];

/** Something long that runs, or a finished act with its outcome; shown in the Tasks pane. */
export interface TaskInfo {
  id: number;
  title: string;
  domain: string | null;
  state: 'running' | 'done' | 'failed' | 'cancelled';
  /** 0..1, or null when it cannot be told. */
  progress: number | null;
  message: string;
  startedAtMs: number;
  endedAtMs: number | null;
}

/** What the toolstack tells everybody who listens. */
export type ToolstackEvent =
  | { type: 'domain-changed'; domain: DomainInfo }
  | { type: 'domain-removed'; uuid: string }
  | { type: 'trash-changed' }
  | { type: 'stats'; host: HostInfo; domains: Record<string, DomainInfo['stats']> }
  | { type: 'task'; task: TaskInfo }
  /** Serial output, base64; sent to clients that called `console/history` for that domain. */
  | { type: 'console'; uuid: string; data: string }
  | { type: 'notice'; level: 'info' | 'warn' | 'error'; domain: string | null; message: string };

/** The client side of the toolstack, whatever carries it. */
export interface ToolstackClient {
  call<C extends CommandName>(command: C, params: Params<C>): Promise<Result<C>>;
  onEvent(listener: (event: ToolstackEvent) => void): () => void;
  close(): void;
}
