// AssemblyScript. What the helpers import from TypeScript (core/cpu/vcpu.ts binds it).

/** Throws the preallocated guest-fault object: unwinds all wasm frames to the run loop. Never returns. */
// @ts-ignore: decorator
@external('host', 'unwind')
export declare function unwind(): void;

/** SystemBus; addresses below 2^52 as f64 so that no BigInt is made. */
// @ts-ignore: decorator
@external('host', 'readMmio')
export declare function readMmio(gpa: f64, width: i32): i32;
// @ts-ignore: decorator
@external('host', 'writeMmio')
export declare function writeMmio(gpa: f64, width: i32, value: i32): void;
// @ts-ignore: decorator
@external('host', 'readPort')
export declare function readPort(port: i32, width: i32): i32;
// @ts-ignore: decorator
@external('host', 'writePort')
export declare function writePort(port: i32, width: i32, value: i32): void;

/** Decodes the block at GPA `page1 + offset` (RIP in S_RIP, mode in S_MODE) and returns its first micro-op. `page2` is the GPA of the next linear page, or -1 if not fetchable. */
// @ts-ignore: decorator
@external('host', 'decodeBlock')
export declare function decodeBlock(gpa: f64, page2: f64): i32;

/** A block that translated regions were made of is gone: so are they. */
// @ts-ignore: decorator
@external('host', 'blockDropped')
export declare function blockDropped(header: u32): void;

/** Guest time-stamp counter. */
// @ts-ignore: decorator
@external('host', 'readTsc')
export declare function readTsc(): u64;

/** RDMSR/WRMSR of registers that do not live in vcpu state (APIC, MTRR, machine check ...): returns 0 when the MSR does not exist or the value is refused (#GP); value through S_SCRATCH. */
// @ts-ignore: decorator
@external('host', 'readMsr')
export declare function readMsr(index: u32): i32;
// @ts-ignore: decorator
@external('host', 'writeMsr')
export declare function writeMsr(index: u32): i32;

/** CPUID: leaf and subleaf in, EAX EBX ECX EDX through S_SCRATCH. */
// @ts-ignore: decorator
@external('host', 'cpuid')
export declare function cpuid(leaf: u32, subleaf: u32): void;

/** CR8 reads and writes go to the local APIC. */
// @ts-ignore: decorator
@external('host', 'readTaskPriority')
export declare function readTaskPriority(): i32;
// @ts-ignore: decorator
@external('host', 'writeTaskPriority')
export declare function writeTaskPriority(value: i32): void;

/** INTA: next external interrupt vector, or -1. */
// @ts-ignore: decorator
@external('host', 'acknowledgeInterrupt')
export declare function acknowledgeInterrupt(): i32;

/** 64 random bits for RDRAND. */
// @ts-ignore: decorator
@external('host', 'randomBits')
export declare function randomBits(): u64;
