/** Code that writes itself while it runs (SDM 3A 8.1.3, 11.6), as this machine's processor has it. */
import { afterAll, describe, expect, it } from 'vitest';
import { build, check, locksteps } from './changing-code';
import { NativeProgram } from './native-program';

const native = new NativeProgram();
afterAll(() => native.dispose());

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
