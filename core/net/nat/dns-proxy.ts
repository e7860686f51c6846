/**
 * The name server of the guest's network: addresses of names by the host's own resolver (hosts file, name services,
 * split DNS), every other record by the host's name servers. Addresses the guest may not reach are taken out of
 * answers, so that no name can stand for the host or its network (DNS rebinding).
 */
import { NetworkError, type NetworkHost, type TcpEvents, type TcpStream } from '../../host';
import {
  addressOfPtrName,
  buildDnsAnswer,
  DNS_A,
  DNS_AAAA,
  DNS_NO_SUCH_NAME,
  DNS_NOT_IMPLEMENTED,
  DNS_PTR,
  DNS_REFUSED,
  DNS_SERVER_FAILURE,
  dnsAddresses,
  dnsUdpLimit,
  encodeDnsName,
  formatIp,
  parseDnsQuery,
  parseIp,
  put16,
  truncateDns,
  u16,
  type DnsQuestion,
} from '../wire';
import type { EgressPolicy } from './egress';
import { MAX_DNS_QUERIES } from './limits';

const TTL_SECONDS = 30;
const NEGATIVE_TTL_SECONDS = 5;
const MAX_CACHED_NAMES = 256;
/** Look-ups of the system resolver block a thread of the pool that disks use too. */
const MAX_LOOKUPS = 3;
const MAX_MESSAGE = 4096;
/** Zone transfers, and types that only servers answer (RFC 8482, RFC 5936). */
const REFUSED_TYPES = new Set([251, 252, 253, 254]);

interface CachedName {
  readonly addresses: Promise<readonly string[]>;
  until: number;
}

type Reply = (answer: Uint8Array) => void;

export class DnsProxy {
  private readonly names = new Map<string, CachedName>();
  private readonly waiting: (() => void)[] = [];
  private lookups = 0;
  private queries = 0;

  constructor(
    private readonly host: Pick<NetworkHost, 'lookup' | 'reverse' | 'queryDns'>,
    private readonly policy: EgressPolicy,
    private readonly outside: boolean,
    private readonly now: () => number,
  ) {}

  /** Answers a query that came in a datagram; more queries than are allowed at a time get no answer. */
  overUdp(query: Uint8Array, reply: Reply): void {
    const question = parseDnsQuery(query);
    if (!question) return;
    const limit = dnsUdpLimit(query, question);
    this.handle(query, question, (answer) =>
      reply(answer.length > limit ? truncateDns(answer, question) : answer),
    );
  }

  /** Answers a query that came over a connection. */
  overTcp(query: Uint8Array, reply: Reply): boolean {
    const question = parseDnsQuery(query);
    if (!question) return false;
    this.handle(query, question, reply);
    return true;
  }

  private handle(query: Uint8Array, question: DnsQuestion, reply: Reply): void {
    if (this.queries >= MAX_DNS_QUERIES || query.length > MAX_MESSAGE) return;
    this.queries++;
    const copy = query.slice();
    const failure = (cause: unknown): Uint8Array => {
      const code = cause instanceof NetworkError ? DNS_SERVER_FAILURE : DNS_REFUSED;
      return buildDnsAnswer(copy, question, code);
    };
    void this.answer(copy, question)
      .catch(failure)
      .then((answer) => {
        this.queries--;
        reply(answer);
      });
  }

  private async answer(query: Uint8Array, question: DnsQuestion): Promise<Uint8Array> {
    const refuse = (code: number): Uint8Array => buildDnsAnswer(query, question, code);
    if (!this.outside) return refuse(DNS_REFUSED);
    if (!question.isInternet || REFUSED_TYPES.has(question.type))
      return refuse(DNS_NOT_IMPLEMENTED);
    if (question.type === DNS_A || question.type === DNS_AAAA)
      return this.addresses(query, question);
    const reversed = question.type === DNS_PTR ? addressOfPtrName(question.name) : undefined;
    if (reversed) return this.reverse(query, question, reversed);
    return this.forward(query);
  }

  private async addresses(query: Uint8Array, question: DnsQuestion): Promise<Uint8Array> {
    // Names the system resolver does not take as a host name must not reach it.
    if (question.name.length > 253 || !/^[a-z0-9_.-]+$/.test(question.name))
      return buildDnsAnswer(query, question, DNS_NO_SUCH_NAME);
    const all = await this.lookup(question.name);
    if (all.length === 0) return buildDnsAnswer(query, question, DNS_NO_SUCH_NAME);
    const size = question.type === DNS_A ? 4 : 16;
    const data = all
      .flatMap((text) => parseIp(text) ?? [])
      .filter((address) => address.length === size && this.mayAnswer(address));
    const answers = data.map((bytes) => ({ type: question.type, data: bytes }));
    return buildDnsAnswer(query, question, 0, answers, TTL_SECONDS);
  }

  private mayAnswer(address: Uint8Array): boolean {
    if (this.policy.isEverReachable(address)) return true;
    this.policy.check('dns', address, 0);
    return false;
  }

  private async reverse(
    query: Uint8Array,
    question: DnsQuestion,
    address: Uint8Array,
  ): Promise<Uint8Array> {
    if (!this.policy.isEverReachable(address))
      return buildDnsAnswer(query, question, DNS_NO_SUCH_NAME);
    const name = await this.limited(() => this.host.reverse(formatIp(address)));
    const data = name === undefined ? undefined : encodeDnsName(name);
    if (!data) return buildDnsAnswer(query, question, DNS_NO_SUCH_NAME);
    return buildDnsAnswer(query, question, 0, [{ type: DNS_PTR, data }], TTL_SECONDS);
  }

  private async forward(query: Uint8Array): Promise<Uint8Array> {
    const answer = await this.host.queryDns(query);
    const found = dnsAddresses(answer);
    const isClean = found?.every((address) => this.mayAnswer(address)) ?? false;
    if (!isClean) throw new NetworkError('DENIED', 'the answer names an address that is closed');
    return answer;
  }

  private lookup(name: string): Promise<readonly string[]> {
    const cached = this.names.get(name);
    if (cached && cached.until > this.now()) return cached.addresses;
    this.names.delete(name);
    const addresses = this.limited(() => this.host.lookup(name));
    const entry: CachedName = { addresses, until: Infinity };
    this.names.set(name, entry);
    addresses.then(
      (found) =>
        (entry.until = this.now() + (found.length > 0 ? TTL_SECONDS : NEGATIVE_TTL_SECONDS) * 1000),
      () => this.names.delete(name),
    );
    for (const oldest of this.names.keys()) {
      if (this.names.size <= MAX_CACHED_NAMES) break;
      this.names.delete(oldest);
    }
    return addresses;
  }

  /** Runs few look-ups at a time, the others in turn. */
  private async limited<T>(work: () => Promise<T>): Promise<T> {
    if (this.lookups >= MAX_LOOKUPS)
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    else this.lookups++;
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.lookups--;
    }
  }
}

/** DNS over TCP (RFC 7766) inside the gateway: a stream as if the host had connected to a name server. */
export class DnsTcpStream implements TcpStream {
  readonly queuedBytes = 0;
  private received = new Uint8Array();
  private pending = 0;
  private ended = false;
  private closed = false;

  constructor(
    private readonly proxy: DnsProxy,
    private readonly events: TcpEvents,
    private readonly defer: (work: () => void) => void,
  ) {
    defer(() => this.closed || events.onConnect());
  }

  write(bytes: Uint8Array): void {
    const joined = new Uint8Array(this.received.length + bytes.length);
    joined.set(this.received);
    joined.set(bytes, this.received.length);
    this.received = joined;
    while (this.received.length >= 2) {
      const length = u16(this.received, 0);
      if (length > MAX_MESSAGE) return this.reset();
      if (this.received.length < 2 + length) break;
      const query = this.received.slice(2, 2 + length);
      this.received = this.received.slice(2 + length);
      if (!this.proxy.overTcp(query, (answer) => this.reply(answer))) return this.reset();
      this.pending++;
    }
  }

  end(): void {
    this.ended = true;
    if (this.pending === 0) this.finish();
  }

  reset(): void {
    if (this.closed) return;
    this.closed = true;
    this.defer(() => this.events.onClose('RESET'));
  }

  pause(): void {}
  resume(): void {}

  private reply(answer: Uint8Array): void {
    this.pending--;
    if (this.closed) return;
    const framed = new Uint8Array(2 + answer.length);
    put16(framed, 0, answer.length);
    framed.set(answer, 2);
    this.events.onData(framed);
    if (this.ended && this.pending === 0) this.finish();
  }

  private finish(): void {
    if (this.closed) return;
    this.closed = true;
    this.defer(() => {
      this.events.onEnd();
      this.events.onClose();
    });
  }
}
