/** Messages that were written while an answer was: they wait for its end, and can be changed or taken back until then. */
export interface Queued {
  id: number;
  content: string;
}

export class MessageQueue {
  waiting = $state.raw<Queued[]>([]);
  #next = 0;

  add(content: string): void {
    const text = content.trim();
    if (text !== '') this.waiting = [...this.waiting, { id: this.#next++, content: text }];
  }

  change(id: number, content: string): void {
    if (content.trim() === '') this.remove(id);
    else {
      this.waiting = this.waiting.map((one) =>
        one.id === id ? { id, content: content.trim() } : one,
      );
    }
  }

  remove(id: number): void {
    this.waiting = this.waiting.filter((one) => one.id !== id);
  }

  /** Takes the first one out of the queue. */
  take(): string | null {
    const [first, ...rest] = this.waiting;
    this.waiting = rest;
    return first?.content ?? null;
  }
}
