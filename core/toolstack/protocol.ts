/**
 * What the toolstack and a domain process say to each other. Requests go down with an id and come back as one
 * reply; events come up. Everything that comes up is checked here before it is used: the domain process runs
 * guest code and is not trusted (reliability 2.3.1).
 */
import { z } from 'zod';
import type { DomainConfig, DomainPerformance, ErrorCode, VifInfo } from '../api';
import type { PluggedVif } from './net';

/** What the toolstack may ask of a domain process: method -> [params, result]. */
export interface DomainRequests {
  start: [
    {
      config: DomainConfig;
      /** The place of each `vif` on its network, in order. */
      vifs: PluggedVif[];
      domid: number;
      paused: boolean;
      lifeline: string | null;
    },
    { vncPort: number | null },
  ];
  pause: [null, null];
  unpause: [null, null];
  powerButton: [null, null];
  reset: [null, null];
  /** Stops the guest, closes its images and ends the process. */
  quit: [null, null];
  screenshot: [null, { png: string; width: number; height: number; text: string[] | null }];
  sendKeys: [{ scancodes: number[] }, null];
  typeText: [{ text: string }, { skipped: string[] }];
  /** Serial output since boot; from then on `console` events follow. */
  consoleHistory: [null, { data: string; dropped: number }];
  /** The toolstack took `bytes` of console events: the domain process sends no more than it has credit for. */
  consoleCredit: [{ bytes: number }, null];
  consoleWrite: [{ data: string }, null];
  /** Puts a CD image into a drive; '' empties it. `force`: even when the guest holds the disc. */
  changeMedium: [{ vdev: string; path: string; force: boolean }, null];
  performance: [null, DomainPerformance];
  networkList: [null, VifInfo[]];
  networkLink: [{ devid: number; up: boolean }, null];
  networkCapture: [{ devid: number; path: string }, null];
}
export type DomainMethod = keyof DomainRequests;

/** How a guest ended, in libxl's words. */
export type EndKind = 'poweroff' | 'reboot' | 'crash';

/** Longest texts and lists a domain process may send up. */
const MAX_SENTENCE = 1000;
const MAX_CONSOLE_BASE64 = 2 << 20;
/** A PNG of the largest picture (2560 x 1600) that does not compress, in base64. */
const MAX_PNG_BASE64 = 24 << 20;

const sentence = z.string().max(MAX_SENTENCE);
const count = z.number().min(0);

const statsEvent = z.strictObject({
  event: z.literal('stats'),
  cpu: count,
  cpuSeconds: count,
  blocked: z.boolean(),
  rssBytes: count,
  mips: count,
  diskReadBytes: count,
  diskWriteBytes: count,
  netRxBytes: count,
  netTxBytes: count,
});
const consoleEvent = z.strictObject({
  event: z.literal('console'),
  data: z.string().max(MAX_CONSOLE_BASE64),
});
/** The guest ended; `kept` when the process stays for `preserve`. */
const endedEvent = z.strictObject({
  event: z.literal('ended'),
  how: z.enum(['poweroff', 'reboot', 'crash']),
  reason: sentence,
  kept: z.boolean(),
});
/** The first disk has become bootable in this run and the guest ends it: the installation seems finished. `ended` follows. */
const installedEvent = z.strictObject({ event: z.literal('installed') });
/** The guest has put the disc out of a CD-ROM drive. */
const ejectedEvent = z.strictObject({ event: z.literal('ejected'), vdev: z.string().max(16) });
const rebootedEvent = z.strictObject({ event: z.literal('rebooted') });
/** Paused, as was asked or for a reason of the domain's own; `unpaused` comes before what it leads to. */
const pausedEvent = z.strictObject({ event: z.literal('paused'), reason: sentence });
const unpausedEvent = z.strictObject({ event: z.literal('unpaused') });
const noticeEvent = z.strictObject({
  event: z.literal('notice'),
  level: z.enum(['info', 'warn', 'error']),
  message: sentence,
});

export const domainEventSchema = z.discriminatedUnion('event', [
  statsEvent,
  consoleEvent,
  endedEvent,
  installedEvent,
  ejectedEvent,
  rebootedEvent,
  pausedEvent,
  unpausedEvent,
  noticeEvent,
]);
export type DomainEvent = z.infer<typeof domainEventSchema>;

const ERROR_CODES = [
  'INVALID_CONFIG',
  'NO_SUCH_DOMAIN',
  'NAME_TAKEN',
  'BAD_STATE',
  'NO_MEMORY',
  'IMAGE_NOT_FOUND',
  'IMAGE_UNREADABLE',
  'IMAGE_BAD',
  'IMAGE_IN_USE',
  'NOT_BOOTABLE',
  'SOCKET_PATH',
  'NOT_RUNNING_APP',
  'DOMAIN_DIED',
  'TIMEOUT',
  'INTERNAL',
] as const satisfies readonly ErrorCode[];

export const domainReplySchema = z.union([
  z.strictObject({ id: z.int(), result: z.unknown() }),
  z.strictObject({
    id: z.int(),
    error: z.strictObject({ code: z.enum(ERROR_CODES), message: sentence }),
  }),
]);
export type DomainReply = z.infer<typeof domainReplySchema>;

const MAX_ROWS = 1024;
const address = z.string().max(64);
const port = z.int().min(0).max(65535);
const vifInfo = z.strictObject({
  devid: z.int().min(0).max(64),
  mac: address,
  model: z.string().max(32),
  bridge: z.string().max(64),
  link: z.boolean(),
  leases: z
    .array(z.strictObject({ address, mac: address, hostName: z.string().max(64) }))
    .max(MAX_ROWS),
  forwards: z
    .array(
      z.strictObject({
        protocol: z.string().max(8),
        hostAddress: address,
        hostPort: port,
        guestPort: port,
      }),
    )
    .max(MAX_ROWS),
  connections: count,
  udpMappings: count,
  rxBytes: count,
  txBytes: count,
  rxFrames: count,
  txFrames: count,
  dropped: count,
  denials: z
    .array(
      z.strictObject({
        protocol: z.string().max(8),
        address,
        port,
        reason: sentence,
        count,
      }),
    )
    .max(MAX_ROWS),
  capture: z.string().max(4096),
}) satisfies z.ZodType<VifInfo>;

const performance = z.strictObject({
  atMs: count,
  busyNs: count,
  instructions: count,
  interpreted: count,
  regionRuns: count,
  regionStuck: count,
  tlbMisses: count,
  blockLookups: count,
  blocksInvalidated: count,
  faults: count,
  regionsMade: count,
  regionsDropped: count,
  translatedInstructions: count,
  wasmBytes: count,
  translateNs: count,
  deviceNs: count,
  interrupts: count,
  halts: count,
  portReads: count,
  portWrites: count,
  mmioReads: count,
  mmioWrites: count,
  msrAccesses: count,
  cpuids: count,
  tscReads: count,
}) satisfies z.ZodType<DomainPerformance>;

/** Results that carry something; the others are null. */
export const DOMAIN_RESULTS: { readonly [M in DomainMethod]: z.ZodType<DomainRequests[M][1]> } = {
  start: z.strictObject({ vncPort: z.int().min(1).max(65535).nullable() }),
  pause: z.null(),
  unpause: z.null(),
  powerButton: z.null(),
  reset: z.null(),
  quit: z.null(),
  screenshot: z.strictObject({
    png: z.string().max(MAX_PNG_BASE64),
    width: z.int().min(0).max(2560),
    height: z.int().min(0).max(1600),
    text: z.array(z.string().max(1024)).max(1024).nullable(),
  }),
  sendKeys: z.null(),
  typeText: z.strictObject({ skipped: z.array(z.string().max(16)).max(65536) }),
  consoleHistory: z.strictObject({ data: z.string().max(MAX_CONSOLE_BASE64), dropped: count }),
  consoleCredit: z.null(),
  consoleWrite: z.null(),
  changeMedium: z.null(),
  performance,
  networkList: z.array(vifInfo).max(64),
  networkLink: z.null(),
  networkCapture: z.null(),
};

/** A request as it goes over the channel. */
export type DomainRequest = {
  [M in DomainMethod]: { id: number; method: M; params: DomainRequests[M][0] };
}[DomainMethod];
