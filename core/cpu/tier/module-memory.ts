import { RAM_BASE } from '../layout';

const WASM_PAGE = 65536;

/**
 * The memory that interpreters and regions import: of any domain, however much RAM it has. What lies below the RAM is in
 * every one, so that the engine knows addresses there to be in bounds.
 */
export const MODULE_MEMORY = { initial: RAM_BASE / WASM_PAGE, maximum: 65536 };
