import { DomusError } from '../../api';
import type { TimerHost } from '../../host';
import {
  DOMAIN_RESULTS,
  domainEventSchema,
  domainReplySchema,
  type DomainEvent,
  type DomainMethod,
  type DomainRequests,
} from '../protocol';

/** An operating system process that hosts one domain, as whoever started it sees it. */
export interface DomainChild {
  /** undefined until it runs. */
  readonly pid: number | undefined;
  post(message: object): void;
  onMessage(listener: (message: unknown) => void): void;
  /** Called once, with how it ended: 'exit code 1', 'signal SIGKILL'. */
  onExit(listener: (how: string) => void): void;
  /** SIGKILL. */
  kill(): void;
}

/** Starts the domain process program; `name` is for process lists and messages. */
export type SpawnDomain = (name: string) => DomainChild;

/** Most an answer may take; loading a big ramdisk from a slow disk is the longest. */
const START_TIMEOUT_MS = 60_000;
const REQUEST_TIMEOUT_MS = 10_000;
/** After `quit` the process has this long before it is killed. */
const QUIT_TIMEOUT_MS = 5_000;

/** How many bytes a text in base64 stands for. */
export function bytesOfBase64(text: string): number {
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  return (text.length / 4) * 3 - padding;
}

interface Waiting {
  readonly method: DomainMethod;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly cancelTimer: () => void;
}

export interface ConnectionListener {
  onEvent(event: DomainEvent): void;
  /** The process is gone. */
  onExit(how: string): void;
}

/** Requests to one domain process and events from it, each checked before it is believed. */
export class DomainConnection {
  private nextId = 1;
  private readonly waiting = new Map<number, Waiting>();
  private gone = false;
  private readonly exited: Promise<void>;

  constructor(
    private readonly child: DomainChild,
    private readonly timers: TimerHost,
    private readonly listener: ConnectionListener,
  ) {
    child.onMessage((message) => this.receive(message));
    this.exited = new Promise((resolve) => {
      child.onExit((how) => {
        this.gone = true;
        for (const request of this.waiting.values())
          this.settle(request).reject(
            new DomusError('DOMAIN_DIED', `the domain process ended (${how})`),
          );
        this.waiting.clear();
        resolve();
        this.listener.onExit(how);
      });
    });
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  request<M extends DomainMethod>(
    method: M,
    params: DomainRequests[M][0],
  ): Promise<DomainRequests[M][1]> {
    if (this.gone)
      return Promise.reject(new DomusError('DOMAIN_DIED', 'the domain process has ended'));
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      const timeout = method === 'start' ? START_TIMEOUT_MS : REQUEST_TIMEOUT_MS;
      const cancelTimer = this.timers.after(timeout, () => {
        this.waiting.delete(id);
        reject(
          new DomusError(
            'TIMEOUT',
            `the domain process did not answer '${method}' within ${timeout / 1000} s`,
          ),
        );
      });
      this.waiting.set(id, {
        method,
        resolve: resolve as (result: unknown) => void,
        reject,
        cancelTimer,
      });
      this.child.post({ id, method, params });
    });
  }

  /** Asks the process to end, then makes it; resolves when it is gone. */
  async quit(): Promise<void> {
    if (this.gone) return;
    const cancel = this.timers.after(QUIT_TIMEOUT_MS, () => this.child.kill());
    this.child.post({ id: this.nextId++, method: 'quit', params: null });
    await this.exited;
    cancel();
  }

  kill(): void {
    if (!this.gone) this.child.kill();
  }

  private settle(request: Waiting): Waiting {
    request.cancelTimer();
    return request;
  }

  private receive(message: unknown): void {
    if (typeof message === 'object' && message !== null && 'event' in message) {
      const event = domainEventSchema.safeParse(message);
      return event.success
        ? this.listener.onEvent(event.data)
        : this.distrust(`an event that makes no sense: ${event.error.issues[0]?.message ?? ''}`);
    }
    const reply = domainReplySchema.safeParse(message);
    if (!reply.success) return this.distrust('a reply that makes no sense');
    this.answered(reply.data);
  }

  private answered(
    reply:
      | { id: number; result?: unknown }
      | { id: number; error: { code: DomusError['code']; message: string } },
  ): void {
    const request = this.waiting.get(reply.id);
    if (!request) return;
    this.waiting.delete(reply.id);
    this.settle(request);
    if ('error' in reply)
      return request.reject(new DomusError(reply.error.code, reply.error.message));
    const result = DOMAIN_RESULTS[request.method].safeParse(reply.result);
    if (result.success) return request.resolve(result.data);
    request.reject(
      new DomusError(
        'INTERNAL',
        `the domain process answered '${request.method}' with something that makes no sense`,
      ),
    );
    this.distrust('a wrong result');
  }

  /** A process that breaks the protocol is out of control: it is ended, and its end is a crash of its domain. */
  private distrust(what: string): void {
    this.listener.onEvent({
      event: 'notice',
      level: 'error',
      message: `the domain process sent ${what}; it is ended`,
    });
    this.child.kill();
  }
}
