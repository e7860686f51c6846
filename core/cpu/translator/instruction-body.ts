/** Where an instruction's body begins in a region's function: what it does deeper inside is conditional. */
import type { FunctionBuilder } from '../../wasm';

export class InstructionBody {
  private nesting = 0;

  constructor(private readonly f: FunctionBuilder) {}

  /** An instruction begins here. */
  begin(): void {
    this.nesting = this.f.nesting;
  }

  /** What is written now happens whenever the instruction runs. */
  get isCertain(): boolean {
    return this.f.nesting === this.nesting;
  }
}
