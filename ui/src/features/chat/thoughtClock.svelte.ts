/**
 * How long models thought, as seen from here: from the answer's beginning to the end of its thought. Kept for the last
 * answers, so that they still tell it after a restart.
 */
import { splitThinking } from '../../shared/markdown/thinking';

const KEY = 'lantern.thoughtSeconds';
const MOST = 400;

class ThoughtTimes {
  #seconds: Map<string, number>;

  constructor() {
    this.#seconds = new Map(read());
  }

  get(messageId: string): number | null {
    return this.#seconds.get(messageId) ?? null;
  }

  set(messageId: string, seconds: number): void {
    this.#seconds.set(messageId, seconds);
    for (const oldest of this.#seconds.keys()) {
      if (this.#seconds.size <= MOST) break;
      this.#seconds.delete(oldest);
    }
    try {
      localStorage.setItem(KEY, JSON.stringify([...this.#seconds]));
    } catch {
      // Without storage it is told until the window closes.
    }
  }
}

function read(): [string, number][] {
  try {
    const entries: unknown = JSON.parse(localStorage.getItem(KEY) ?? '[]');
    if (!Array.isArray(entries)) return [];
    return entries.filter(
      (entry): entry is [string, number] =>
        Array.isArray(entry) && typeof entry[0] === 'string' && typeof entry[1] === 'number',
    );
  } catch {
    return [];
  }
}

const times = new ThoughtTimes();

/** Seconds that the thought of this answer took, where that is known. */
export function thoughtSeconds(messageId: string): number | null {
  return times.get(messageId);
}

/** Watches one answer after the other. */
export class ThoughtClock {
  /** When the answer being written began to think, in milliseconds since the page was opened. */
  since = $state<number | null>(null);
  #done = false;

  begin(): void {
    this.since = null;
    this.#done = false;
  }

  see(messageId: string, text: string): void {
    if (this.#done) return;
    const { thinking, thought } = splitThinking(text, true);
    if (thinking === null) {
      if (text.length > 64) this.#done = true;
      return;
    }
    this.since ??= performance.now();
    if (!thought) return;
    this.#done = true;
    times.set(messageId, Math.max(0.1, (performance.now() - this.since) / 1000));
  }
}
