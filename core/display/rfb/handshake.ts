/** The phases before ClientInit: version, security type, VNC authentication (RFC 6143 sections 7.1 and 7.2). */
import { ByteWriter } from './byte-writer';
import type { InputBuffer } from './input-buffer';

const VERSION_BYTES = 12;
const SECURITY_NONE = 1;
const SECURITY_VNC = 2;
const CHALLENGE_BYTES = 16;

export interface HandshakeOptions {
  /** '' for no authentication. */
  readonly password: string;
  /** `length` unpredictable bytes. */
  random(length: number): Uint8Array;
  /** The DES response to a challenge (RFC 6143 section 7.2.2). */
  vncResponse(challenge: Uint8Array, password: string): Uint8Array;
  /** Somebody got the password wrong or right: for the server's delay. */
  onAuthentication(good: boolean): void;
  /** Too many wrong passwords lately: every answer is wrong. */
  isLocked?(): boolean;
}

/** What became of the bytes: how many were used (0: more are needed), and whether the client may go on. */
type Step = number | 'refused';

export class Handshake {
  private phase: 'version' | 'security' | 'password' | 'done' = 'version';
  private minor = 8;
  private challenge: Uint8Array = new Uint8Array(0);

  constructor(
    private readonly options: HandshakeOptions,
    private readonly write: (bytes: Uint8Array) => void,
  ) {
    write(new ByteWriter().ascii('RFB 003.008\n').take());
  }

  get isDone(): boolean {
    return this.phase === 'done';
  }

  /** Takes one message from the front of the input. */
  step(input: InputBuffer): Step {
    switch (this.phase) {
      case 'version':
        return this.version(input);
      case 'security':
        return this.security(input);
      case 'password':
        return this.password(input);
      default:
        return 0;
    }
  }

  /** The one type that is offered: a client that names another is refused (CVE-2006-2369). */
  private get offered(): number {
    return this.options.password === '' ? SECURITY_NONE : SECURITY_VNC;
  }

  private version(input: InputBuffer): Step {
    if (input.length < VERSION_BYTES) return 0;
    const text = String.fromCharCode(...input.slice(0, VERSION_BYTES));
    const match = /^RFB (\d{3})\.(\d{3})\n$/.exec(text);
    if (!match || Number(match[1]) < 3) return 'refused';
    const minor = Number(match[1]) > 3 ? 8 : Number(match[2]);
    // Versions that were never published are to be taken for 3.3 (7.1.1).
    this.minor = minor >= 8 ? 8 : minor === 7 ? 7 : 3;
    if (this.minor === 3) {
      this.write(Uint8Array.of(0, 0, 0, this.offered));
      this.begin();
    } else {
      this.write(Uint8Array.of(1, this.offered));
      this.phase = 'security';
    }
    return VERSION_BYTES;
  }

  private security(input: InputBuffer): Step {
    if (input.length < 1) return 0;
    if (input.u8(0) !== this.offered) return this.refuse('That security type was not offered.');
    this.begin();
    return 1;
  }

  private begin(): void {
    if (this.offered === SECURITY_VNC) {
      this.challenge = this.options.random(CHALLENGE_BYTES);
      this.write(new Uint8Array(this.challenge));
      this.phase = 'password';
    } else {
      if (this.minor === 8) this.write(Uint8Array.of(0, 0, 0, 0));
      this.phase = 'done';
    }
  }

  private password(input: InputBuffer): Step {
    if (input.length < CHALLENGE_BYTES) return 0;
    const expected = this.options.vncResponse(this.challenge, this.options.password);
    let difference = this.options.isLocked?.() ? 1 : 0;
    for (let i = 0; i < CHALLENGE_BYTES; i++) difference |= expected[i] ^ input.u8(i);
    // A challenge is used once.
    this.challenge = new Uint8Array(0);
    const good = difference === 0;
    this.options.onAuthentication(good);
    if (!good) return this.refuse('Wrong password.');
    this.write(Uint8Array.of(0, 0, 0, 0));
    this.phase = 'done';
    return CHALLENGE_BYTES;
  }

  private refuse(reason: string): Step {
    const out = new ByteWriter().u32(1);
    if (this.minor === 8) out.string(reason);
    this.write(out.take());
    return 'refused';
  }
}
