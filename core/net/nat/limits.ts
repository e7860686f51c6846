/** What one domain may hold of its host through the NAT (reliability.md 2.9). */

export const MAX_TCP_FLOWS = 512;
/** Connections that are not established yet, either way. */
export const MAX_HALF_OPEN = 64;
/** Per connection and direction: this much while few are open, less when many are, at most 32 MiB a direction in all. */
export const TCP_BUFFER_BYTES = 256 << 10;
export const TCP_BUFFER_BYTES_MANY = 64 << 10;
export const FEW_FLOWS = 64;
/** An established connection without traffic may be given up for a new one after this time. */
export const TCP_IDLE_MS = 60_000;
/** RFC 5382 REQ-5: idle connections live at least 2 hours 4 minutes. */
export const TCP_EXPIRY_MS = 124 * 60_000;

export const MAX_UDP_FLOWS = 256;
/** RFC 4787 REQ-5: at least two minutes. */
export const UDP_EXPIRY_MS = 180_000;
/** Peers that may answer one UDP mapping. */
export const MAX_UDP_PEERS = 64;

export const MAX_ECHO_FLOWS = 64;
/** RFC 5508 REQ-2: at least 60 seconds. */
export const ECHO_EXPIRY_MS = 60_000;
/** Echo requests that leave in a second; a burst of as many. */
export const ECHOES_PER_SECOND = 100;

/** New connections and mappings in a second; a burst of as many. */
export const NEW_FLOWS_PER_SECOND = 1000;

export const MAX_FRAGMENT_PACKETS = 64;
export const MAX_FRAGMENT_BYTES = 16 << 10;
export const FRAGMENT_EXPIRY_MS = 30_000;

export const MAX_NEIGHBOURS = 64;
export const MAX_PENDING_PACKETS = 16;
export const MAX_DNS_QUERIES = 32;
export const MAX_PORT_FORWARDS = 64;

/** Files sent by TFTP at a time. Loaders take one after the other; some look for several at once. */
export const MAX_TFTP_TRANSFERS = 16;
/** RFC 2349 gives sizes in decimal digits; loaders keep them in 32 bits. */
export const MAX_TFTP_FILE_BYTES = 2 ** 32 - 1;
/** Read from a file in one go. */
export const TFTP_READ_AHEAD_BYTES = 128 << 10;
export const TFTP_TIMEOUT_MS = 1000;
/** What is not answered is sent again this many times. */
export const TFTP_RETRIES = 5;

/** The clock of timeouts; finer times are not needed. */
export const TICK_MS = 50;

/** Allows `rate` events a second, with bursts of as many. */
export class TokenBucket {
  private tokens: number;
  private last = 0;

  constructor(private readonly rate: number) {
    this.tokens = rate;
  }

  take(now: number): boolean {
    this.tokens = Math.min(this.rate, this.tokens + ((now - this.last) * this.rate) / 1000);
    this.last = now;
    if (this.tokens < 1) return false;
    this.tokens--;
    return true;
  }
}
