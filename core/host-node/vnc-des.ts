import DES from 'des.js';

/** Bytes that VNC authentication's DES key has, each with its bits reversed (RFC 6143 section 7.2.2). */
const KEY_BYTES = 8;

function reversed(byte: number): number {
  let result = 0;
  for (let bit = 0; bit < 8; bit++) if (byte & (1 << bit)) result |= 0x80 >> bit;
  return result;
}

/** The response to a 16-byte challenge: DES-ECB with the password as key. Node's OpenSSL has single DES switched off. */
export function vncResponse(challenge: Uint8Array, password: string): Uint8Array {
  const key = Array.from({ length: KEY_BYTES }, (_, i) =>
    i < password.length ? reversed(password.charCodeAt(i) & 0xff) : 0,
  );
  const cipher = DES.DES.create({ type: 'encrypt', key, padding: false });
  return Uint8Array.from([...cipher.update([...challenge]), ...cipher.final()]);
}
