import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';

/**
 * A guest of one boot sector: it greets on COM1 and on the screen, sleeps in HLT, and obeys letters from COM1.
 *
 *   q powers off (PM1a_CNT of the PIIX4, SLP_EN), as the power button does
 *   r resets (8042 command FEh)                     t ends in a triple fault
 *   b burns CPU for ever                            w writes sector 1             anything else is echoed as <x>
 */
export const GREETING = 'DOMUS GUEST READY';

const ORIGIN = 0x7c00;
const SECTOR_BYTES = 512;

type Item = number | { label: string } | { near: string } | { short: string } | { address: string };

/** Bytes with labels; `near` and `short` are relative jumps, `address` an absolute word. */
function assemble(items: readonly Item[]): Uint8Array {
  const size = (item: Item): number =>
    typeof item === 'number' || 'short' in item ? 1 : 'label' in item ? 0 : 2;
  const labels = new Map<string, number>();
  let at = 0;
  for (const item of items) {
    if (typeof item !== 'number' && 'label' in item) labels.set(item.label, at);
    at += size(item);
  }
  const bytes: number[] = [];
  const target = (label: string): number => {
    const value = labels.get(label);
    if (value === undefined) throw new Error(`no label ${label}`);
    return value;
  };
  for (const item of items) {
    if (typeof item === 'number') bytes.push(item);
    else if ('short' in item) bytes.push((target(item.short) - bytes.length - 1) & 0xff);
    else if (!('label' in item)) {
      const value =
        'near' in item ? target(item.near) - bytes.length - 2 : ORIGIN + target(item.address);
      bytes.push(value & 0xff, (value >> 8) & 0xff);
    }
  }
  return Uint8Array.from(bytes);
}

const label = (name: string): Item => ({ label: name });
const text = (value: string): number[] => [...Buffer.from(value, 'latin1')];
const call = (name: string): Item[] => [0xe8, { near: name }];
const jump = (name: string): Item[] => [0xe9, { near: name }];
/** cmp al, letter; jne over; jmp name */
const onLetter = (letter: string, name: string): Item[] => [
  0x3c,
  letter.charCodeAt(0),
  0x75,
  3,
  ...jump(name),
];
const say = (letter: string): Item[] => [0xb0, letter.charCodeAt(0), ...call('putc')];

const BOOT_SECTOR = assemble([
  ...[0xfa, 0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0], // cli; xor ax,ax; mov ds,es,ss
  ...[0xbc, 0x00, 0x7c, 0xfb], // mov sp,7C00h; sti
  ...[0x88, 0x16, { address: 'drive' } as Item], // mov [drive],dl
  ...[0xbe, { address: 'greeting' } as Item], // mov si,greeting
  ...call('puts'),
  ...[0xba, 0x02, 0x06, 0xb8, 0x00, 0x01, 0xef], // mov dx,602h; mov ax,100h; out dx,ax: PWRBTN_EN
  label('wait'),
  ...[0xba, 0x00, 0x06, 0xed, 0xf6, 0xc4, 0x01], // mov dx,600h; in ax,dx; test ah,1: PWRBTN_STS
  ...[0x74, 3], // jz +3
  ...jump('powerOff'),
  ...[0xba, 0xfd, 0x03, 0xec, 0xa8, 0x01], // mov dx,3FDh; in al,dx; test al,1
  ...[0x75, 3, 0xf4, 0xeb, { short: 'wait' } as Item], // jnz +3; hlt; jmp wait
  ...[0xba, 0xf8, 0x03, 0xec], // mov dx,3F8h; in al,dx
  ...onLetter('q', 'powerOff'),
  ...onLetter('r', 'reset'),
  ...onLetter('t', 'tripleFault'),
  ...onLetter('b', 'burn'),
  ...onLetter('w', 'writeDisk'),
  0x50, // push ax
  ...say('<'),
  0x58, // pop ax
  ...call('putc'),
  ...say('>'),
  ...jump('wait'),

  label('powerOff'),
  ...[0xba, 0x04, 0x06, 0xb8, 0x00, 0x20, 0xef], // mov dx,604h; mov ax,2000h; out dx,ax
  ...jump('wait'),
  label('reset'),
  ...[0xb0, 0xfe, 0xe6, 0x64], // mov al,FEh; out 64h,al
  ...jump('wait'),
  label('tripleFault'),
  ...[0x0f, 0x01, 0x1e, { address: 'noIdt' } as Item, 0xcc], // lidt [noIdt]; int3
  label('burn'),
  ...say('!'),
  label('burning'),
  ...[0x40, 0xeb, { short: 'burning' } as Item], // inc ax; jmp burning
  label('writeDisk'),
  ...[0xbe, { address: 'packet' } as Item], // mov si,packet
  ...[0x8a, 0x16, { address: 'drive' } as Item], // mov dl,[drive]
  ...[0xb8, 0x00, 0x43, 0xcd, 0x13], // mov ax,4300h; int 13h: extended write
  ...[0xb0, 0x57, 0x73, 2, 0xb0, 0x45], // mov al,'W'; jnc +2; mov al,'E'
  ...call('putc'),
  ...jump('wait'),

  label('putc'),
  ...[0x52, 0x50, 0xba, 0xfd, 0x03], // push dx; push ax; mov dx,3FDh
  label('full'),
  ...[0xec, 0xa8, 0x20, 0x74, { short: 'full' } as Item], // in al,dx; test al,20h; jz full
  ...[0x58, 0xba, 0xf8, 0x03, 0xee, 0x5a, 0xc3], // pop ax; mov dx,3F8h; out dx,al; pop dx; ret

  label('puts'),
  ...[0xac, 0x84, 0xc0, 0x75, 1, 0xc3], // lodsb; test al,al; jnz +1; ret
  ...call('putc'),
  ...[0xb4, 0x0e, 0xbb, 0x07, 0x00, 0xcd, 0x10], // mov ah,0Eh; mov bx,7; int 10h
  ...jump('puts'),

  label('greeting'),
  ...text(`${GREETING}\r\n\0`),
  label('noIdt'),
  ...[0, 0, 0, 0, 0, 0],
  label('drive'),
  0,
  label('packet'), // disk address packet: 1 sector from 0000:7C00 to LBA 1
  ...[0x10, 0, 1, 0, 0x00, 0x7c, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0],
]);

/** Writes a disk image of 1 MiB that boots the guest. */
export function writeTinyGuest(path: string): void {
  const sector = new Uint8Array(SECTOR_BYTES);
  if (BOOT_SECTOR.length > SECTOR_BYTES - 2) throw new Error('the guest does not fit its sector');
  sector.set(BOOT_SECTOR);
  sector.set([0x55, 0xaa], SECTOR_BYTES - 2);
  const fd = openSync(path, 'w', 0o600);
  try {
    writeSync(fd, sector);
    ftruncateSync(fd, 1 << 20);
  } finally {
    closeSync(fd);
  }
}
