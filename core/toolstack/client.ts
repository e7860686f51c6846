import type { CommandName, Params, Result, ToolstackClient, ToolstackEvent } from '../api';
import { Emitter } from '../base';
import { runCommand } from './commands';
import type { Toolstack } from './toolstack';

/** A client in the toolstack's own process. Every client hears of consoles only when it asked for them. */
export class LocalClient implements ToolstackClient {
  private readonly events = new Emitter<ToolstackEvent>();
  private readonly consoles = new Set<string>();
  private readonly stop: () => void;

  constructor(private readonly toolstack: Toolstack) {
    this.stop = toolstack.events.on((event) => {
      if (event.type !== 'console' || this.consoles.has(event.uuid)) this.events.fire(event);
    });
  }

  async call<C extends CommandName>(command: C, params: Params<C>): Promise<Result<C>> {
    return (await this.run(command, params)) as Result<C>;
  }

  /** The same for a command that comes from elsewhere and may be anything. */
  run(command: string, params: unknown): Promise<unknown> {
    return runCommand(command, params, {
      toolstack: this.toolstack,
      watchConsole: (uuid) => this.consoles.add(uuid),
    });
  }

  onEvent(listener: (event: ToolstackEvent) => void): () => void {
    const { loadProblems } = this.toolstack;
    void Promise.resolve().then(() => {
      for (const message of loadProblems)
        listener({ type: 'notice', level: 'error', domain: null, message });
    });
    return this.events.on(listener);
  }

  close(): void {
    this.stop();
  }
}
