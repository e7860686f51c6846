/** Code written through another mapping or by a device, and code whose pages are mapped elsewhere. */
import { describe, it } from 'vitest';
import { check } from './changing-code';

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
