/**
 * Counts the operators in the functions of a WebAssembly module (Core 2.0 chapter 5, threads proposal for 0xFE), as far
 * as core/wasm writes them; anything else is an error, not a wrong figure.
 */

/** What the functions of a module are made of. */
export interface ModuleSize {
  readonly functions: number;
  /** Bytes of the bodies, locals included. */
  readonly bytes: number;
  /** Instructions, `end` and `else` not counted. */
  readonly operators: number;
}

const CODE_SECTION = 10;
const END = 0x0b;
const ELSE = 0x05;

class Reader {
  constructor(
    private readonly bytes: Uint8Array,
    public at: number,
  ) {}

  byte(): number {
    return this.bytes[this.at++];
  }

  unsigned(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }

  skipLebs(count: number): void {
    for (let i = 0; i < count; i++) while (this.byte() >= 0x80);
  }
}

/** Steps over the immediates of an opcode, which was just read. */
function skipImmediates(reader: Reader, opcode: number): void {
  if (opcode === 0x0e) return reader.skipLebs(reader.unsigned() + 1);
  if (opcode === 0xfc) return skipMisc(reader);
  if (opcode === 0xfd) return skipVector(reader);
  if (opcode === 0xfe) return skipAtomic(reader);
  if (opcode === 0x43) reader.at += 4;
  else if (opcode === 0x44) reader.at += 8;
  else reader.skipLebs(immediates(opcode));
}

/** How many LEB128 numbers follow a one-byte opcode, section 5.4. */
function immediates(opcode: number): number {
  if (opcode >= 0x02 && opcode <= 0x04) return 1; // block type
  if (opcode === 0x0c || opcode === 0x0d || opcode === 0x10) return 1;
  if (opcode === 0x11) return 2; // call_indirect
  if (opcode >= 0x20 && opcode <= 0x24) return 1; // locals and globals
  if (opcode >= 0x28 && opcode <= 0x3e) return 2; // alignment and offset
  if (opcode === 0x41 || opcode === 0x42) return 1;
  const plain =
    opcode <= 0x01 || opcode === 0x0f || opcode === 0x1a || opcode === 0x1b || opcode >= 0x45;
  if (!plain || opcode > 0xc4) throw new Error(`opcode ${opcode.toString(16)} is not known here`);
  return 0;
}

function skipMisc(reader: Reader): void {
  const opcode = reader.unsigned();
  if (opcode < 8) return; // saturating truncations
  if (opcode === 10) reader.skipLebs(2);
  else if (opcode === 11) reader.skipLebs(1);
  else throw new Error(`opcode fc ${opcode} is not known here`);
}

function skipVector(reader: Reader): void {
  const opcode = reader.unsigned();
  if (opcode <= 11 || opcode === 92 || opcode === 93) reader.skipLebs(2);
  else if (opcode === 12 || opcode === 13) reader.at += 16;
  else if (opcode >= 21 && opcode <= 34) reader.at += 1;
  else if (opcode >= 84 && opcode <= 91) {
    reader.skipLebs(2);
    reader.at += 1;
  }
}

function skipAtomic(reader: Reader): void {
  const opcode = reader.unsigned();
  reader.skipLebs(opcode === 3 ? 1 : 2);
}

function functionOperators(reader: Reader, end: number): number {
  for (let groups = reader.unsigned(); groups > 0; groups--) {
    reader.skipLebs(1);
    reader.at++;
  }
  let operators = 0;
  while (reader.at < end) {
    const opcode = reader.byte();
    if (opcode === END || opcode === ELSE) continue;
    operators++;
    skipImmediates(reader, opcode);
  }
  if (reader.at !== end) throw new Error('a function ends in the middle of an operator');
  return operators;
}

export function moduleSize(module: Uint8Array): ModuleSize {
  const reader = new Reader(module, 8);
  const size = { functions: 0, bytes: 0, operators: 0 };
  while (reader.at < module.length) {
    const id = reader.byte();
    const length = reader.unsigned();
    const end = reader.at + length;
    if (id === CODE_SECTION) {
      size.functions = reader.unsigned();
      for (let i = 0; i < size.functions; i++) {
        const bytes = reader.unsigned();
        size.bytes += bytes;
        size.operators += functionOperators(reader, reader.at + bytes);
      }
    }
    reader.at = end;
  }
  return size;
}
