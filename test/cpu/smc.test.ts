/**
 * Code that is written while it runs (SDM 3A 8.1.3, 11.6): by itself, through another mapping, by a device; and code whose
 * pages are mapped elsewhere. Interpreted, translated at once and when warm, in lockstep with the interpreter one
 * instruction at a time; where no privilege is needed, this machine's processor says what is right.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { assemble, type Program } from './assemble';
import { explain, Lockstep } from './lockstep';
import { NativeProgram } from './native-program';
import { CODE, CONSTANTS, Rig } from './rig';

const TIERS = [
  { name: 'interpreted', translateAfter: 0 },
  { name: 'translated at once', translateAfter: 1 },
  { name: 'translated when warm', translateAfter: 30 },
];
const SLICE = 700;

const native = new NativeProgram();
afterAll(() => native.dispose());

const locksteps = TIERS.map(({ translateAfter }) => new Lockstep(new Rig({ translateAfter })));

/** Programs end with `end`: they halt here, and return natively. Results are in RBX. */
const END = { here: '.macro end\nhlt\n.endm\n', native: '.macro end\nret\n.endm\n' };
const build = (text: string, where: keyof typeof END = 'here'): Program =>
  assemble(`${CONSTANTS}${END[where]}${text}`, CODE);

/** Runs in all tiers and expects RBX. `between` is called after each slice. */
function check(
  text: string,
  expected: bigint,
  between?: (rig: Rig, program: Program, slices: number) => void,
): void {
  const program = build(text);
  for (const { leader, follower } of locksteps) {
    const lockstep = new Lockstep(leader, follower);
    lockstep.load(program);
    for (let slices = 0; leader.vcpu.run(SLICE) === 'budget'; slices++) {
      const found = lockstep.follow();
      if (found) expect.fail(explain(found, program));
      expect(slices).toBeLessThan(2000);
      for (const rig of between ? [leader, follower] : []) between!(rig, program, slices);
    }
    const found = lockstep.follow();
    if (found) expect.fail(explain(found, program));
    expect(leader.vcpu.registers.get64('rbx')).toBe(expected);
  }
}

/** As `check`, of what the processor makes of it. */
function checkNative(text: string): bigint {
  const expected = native.run(build(text, 'native'));
  check(text, expected);
  return expected;
}

describe('a program that writes its own code', () => {
  it('changes an immediate of its loop', () => {
    const sum = checkNative(`
      xor ebx, ebx
      mov ecx, 1000
    l: mov eax, 0
      add rbx, rax
      inc dword ptr [l + 1]
      dec ecx
      jnz l
      end`);
    expect(sum).toBe(999n * 500n);
  });

  it('changes the next instruction, in the same block', () => {
    const sum = checkNative(`
      xor ebx, ebx
      mov ecx, 1000
    l: inc dword ptr [n + 1]
    n: mov eax, 0
      add rbx, rax
      dec ecx
      jnz l
      end`);
    expect(sum).toBe(1001n * 500n);
  });

  it('changes one a few instructions ahead, by a byte store, a push and a string store', () => {
    checkNative(`
      xor ebx, ebx
      xor esi, esi
      mov ecx, 2000
    l: mov byte ptr [a + 1], cl
      lea rdx, [rcx*2 + rsi]
      mov r8, rsp
      lea rsp, [b + 2 + 8]
      push rcx
      mov rsp, r8
      lea rdi, [c + 1]
      mov eax, ecx
      stosd
      nop
    a: mov eax, 0
      add rbx, rax
    b: movabs rax, 0
      add rbx, rax
    c: mov eax, 0
      add rbx, rax
      add rbx, rdx
      dec ecx
      jnz l
      end`);
  });

  it('changes both parts of an instruction that lies across a page', () => {
    checkNative(`
      xor ebx, ebx
      mov ecx, 1000
      jmp l
      .balign 4096
      .skip 4096 - 3 - 17
    l: mov byte ptr [s + 1], cl
      mov byte ptr [s + 4], ch
      nop
      nop
      nop
    s: mov eax, 0x01020304
      add rbx, rax
      dec ecx
      jnz l
      end`);
  });

  it('changes opcodes: an instruction becomes another one', () => {
    checkNative(`
      xor ebx, ebx
      mov ecx, 1000
      mov edx, 0x2b
    l: mov eax, ecx
      xor edx, 0x28          # 03 ADD, 2B SUB
      mov byte ptr [o + 1], dl
    o: .byte 0x48, 0x03, 0xd8
      add rbx, 3
      dec ecx
      jnz l
      end`);
  });

  it('changes a branch, so that blocks end elsewhere', () => {
    checkNative(`
      xor ebx, ebx
      mov ecx, 1000
    l: mov eax, ecx
      shr eax, 6
      and eax, 4
      mov byte ptr [j + 1], al
    j: jmp k
    k: add rbx, 1
      nop
      add rbx, 16
      nop
      dec ecx
      jnz l
      end`);
  });

  it('copies functions over each other and calls them', () => {
    checkNative(`
      xor ebx, ebx
      mov r9d, 600
    l: lea rsi, [f]
      test r9d, 16
      jz 1f
      lea rsi, [g]
    1: lea rdi, [at]
      mov ecx, 16
      rep movsb
      mov r10d, 5
    2: call at
      dec r10d
      jnz 2b
      dec r9d
      jnz l
      end
      .balign 16
    f: add rbx, 1
      ret
      .balign 16
    g: add rbx, 1000
      add rbx, r9
      ret
      .balign 64
    at: .skip 32, 0x90`);
  });

  it('writes code in front of itself, again and again, on fresh pages', () => {
    checkNative(`
      xor ebx, ebx
      mov r9d, 400
      lea rdi, [DATA - 0x80000]
    l: mov dword ptr [rdi], 0xc3c3ff48      # INC RBX; RET
      call rdi
      mov eax, r9d
      and eax, 7
      add al, 0xc0
      mov byte ptr [rdi + 2], 0xc3
      add rdi, 512
      dec r9d
      jnz l
      end`);
  });
});

describe('other hands on the code', () => {
  it('a second mapping of its page', () => {
    check(
      `
      lea rax, [page + 7]
      mov [PAGE_TABLES + (DATA >> 12) * 8], rax
      invlpg [DATA]
      xor ebx, ebx
      mov ecx, 1000
      jmp l
      .balign 4096
    page:
    l: inc dword ptr [DATA + n - page + 1]
      nop
    n: mov eax, 0
      add rbx, rax
      dec ecx
      jnz l
      end`,
      1001n * 500n,
    );
  });

  it('a page mapped elsewhere, with INVLPG', () => {
    // Two pages with a function each; what is called is at DATA.
    check(
      `
      xor ebx, ebx
      mov r8d, DATA
      mov ecx, 2000
    l: lea rax, [first]
      test ecx, 0x10
      jz 1f
      lea rax, [second]
    1: or eax, 7
      mov [PAGE_TABLES + (DATA >> 12) * 8], rax
      invlpg [DATA]
      mov edx, 3
    2: call r8
      dec edx
      jnz 2b
      dec ecx
      jnz l
      end
      .balign 4096
    first: add rbx, 1
      ret
      .balign 4096
    second: add rbx, 1000
      ret`,
      3n * (1007n + 1000n * 993n),
    );
  });

  it('a jump from one page to another that is mapped elsewhere', () => {
    check(
      `
      xor ebx, ebx
      mov ecx, 2000
      jmp l
      .balign 4096
      .skip 4000, 0x90
    l: lea rax, [first]
      test ecx, 0x20
      jz 1f
      lea rax, [second]
    1: or eax, 7
      mov [PAGE_TABLES + (DATA >> 12) * 8], rax
      invlpg [DATA]
      mov edx, DATA
      jmp rdx
    back: dec ecx
      jnz l
      end
      .balign 4096
    first: add rbx, 1
      lea rdx, [back]
      jmp rdx
      .balign 4096
    second: add rbx, 1000
      mov edx, offset back
      jmp rdx`,
      1008n + 992n * 1000n,
    );
  });

  it.each([
    ['without PCIDs', ''],
    ['with PCIDs that keep their translations', 'pcid'],
  ])('two address spaces, %s', (_, pcid) => {
    // The second space is the first but for the page at DATA, where each has a function of its own.
    check(
      `
      .set PML4B, 0x400000
      lea rsi, [PML4]
      lea rdi, [PML4B]
      mov ecx, 512 * 5
      rep movsq
      mov eax, PML4B + 0x1007
      mov [PML4B], rax
      mov eax, PML4B + 0x2007
      mov [PML4B + 0x1000], rax
      mov eax, PML4B + 0x3007
      mov [PML4B + 0x2000 + (DATA >> 21) * 8], rax
      lea rsi, [PAGE_TABLES + (DATA >> 21) * 4096]
      lea rdi, [PML4B + 0x3000]
      mov ecx, 512
      rep movsq
      lea rax, [first + 7]
      mov [PAGE_TABLES + (DATA >> 12) * 8], rax
      lea rax, [second + 7]
      mov [PML4B + 0x3000 + ((DATA >> 12) & 511) * 8], rax
      mov r10d, PML4
      mov r11d, PML4B
      ${
        pcid
          ? `mov rax, cr4
      or eax, 0x20000
      mov cr4, rax
      mov rax, 0x8000000000000001
      or r10, rax
      mov rax, 0x8000000000000002
      or r11, rax`
          : ''
      }
      xor ebx, ebx
      mov r8d, DATA
      mov ecx, 2000
    l: mov rax, r10
      test ecx, 3
      jnz 1f
      mov rax, r11
    1: mov cr3, rax
      mov edx, 4
    2: call r8
      dec edx
      jnz 2b
      dec ecx
      jnz l
      end
      .balign 4096
    first: add rbx, 1
      ret
      .balign 4096
    second: add rbx, 1000
      ret`,
      4n * (1500n + 500n * 1000n),
    );
  });

  it('a device, between two instructions', () => {
    check(
      `
      xor ebx, ebx
      mov ecx, 30000
    l: mov eax, 1
      or rbx, rax
      dec ecx
      jnz l
      mov edx, 1
      test rbx, 0x80
      jnz 1f
      xor edx, edx
    1: mov ebx, edx
      end`,
      1n,
      (rig, program, slices) =>
        rig.dma(program.symbol('l') + 1, Uint8Array.of((slices & 0x7e) | 0x80)),
    );
  });
});

describe('a guest that rewrites its code without end', () => {
  it('keeps running with a bounded number of regions', () => {
    // 64 functions on 64 pages; each is rewritten after it has become hot.
    const program = build(`
      mov r15d, 60
    again: lea rdi, [DATA]
      mov r9d, 64
    f: mov dword ptr [rdi], 0x48c3ff48      # INC RBX
      mov dword ptr [rdi + 4], 0xf875c9ff    # DEC RCX; JNZ back
      mov byte ptr [rdi + 8], 0xc3
      mov ecx, 300
      call rdi
      add rdi, 4096
      dec r9d
      jnz f
      dec r15d
      jnz again
      end`);
    const { leader } = locksteps[2];
    leader.load(program);
    const { regions, dropped, wasmBytes } = leader.vcpu.translator;
    leader.finish(10_000_000);
    expect(leader.vcpu.registers.get64('rbx')).toBe(60n * 64n * 300n);
    const after = leader.vcpu.translator;
    const made = after.regions - regions;
    expect(made).toBeGreaterThan(60 * 64 - 100);
    // What was rewritten is gone.
    expect(after.regions - after.dropped).toBeLessThan(600);
    expect(after.dropped - dropped).toBeGreaterThan(made - 600);
    expect((after.wasmBytes - wasmBytes) / made).toBeLessThan(4096);
  });
});
