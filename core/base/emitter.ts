/** Stops what it was returned for; calling it twice is harmless. */
export type Dispose = () => void;

/** A list of listeners for one kind of event. A listener may be added or removed while events fire. */
export class Emitter<T> {
  private listeners: readonly ((event: T) => void)[] = [];

  on(listener: (event: T) => void): Dispose {
    this.listeners = [...this.listeners, listener];
    return () => {
      this.listeners = this.listeners.filter((l) => l !== listener);
    };
  }

  fire(event: T): void {
    for (const listener of this.listeners) listener(event);
  }

  get size(): number {
    return this.listeners.length;
  }
}
