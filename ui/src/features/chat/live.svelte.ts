/** The answer that is being written: its words so far, and what the model is doing meanwhile. */
import type { ChatEvent, Message } from '../../backend/types';
import type { Sight } from '../overflow/sight';
import { ThoughtClock } from './thoughtClock.svelte';

/** What the model is doing before and while it writes. */
export type Phase =
  | { kind: 'starting' }
  | { kind: 'loading'; model: string }
  | { kind: 'summarising' }
  | { kind: 'queued'; position: number }
  | { kind: 'prefill'; processed: number; total: number; cached: number }
  | { kind: 'writing' };

/** Everything is read. */
const ALL: Sight = { summarisedTo: null, droppedTo: null };
/** Text is painted at most this often, in milliseconds: fast enough to look fluent, slow enough to stay cheap. */
const PAINT_EVERY = 40;

export class LiveAnswer {
  /** Its message's id; `null` while none is being written here. */
  id = $state<string | null>(null);
  text = $state('');
  phase = $state.raw<Phase>({ kind: 'starting' });
  /** Tokens of the prompt that it follows, once they are counted. */
  prompt = $state.raw<{ total: number; cached: number } | null>(null);
  /** Older messages that the model does not see as it writes, for want of room. */
  dropped = $state(0);
  /** Older messages of which it reads a summary. */
  summarised = $state(0);
  /** Where those end. */
  sight = $state.raw<Sight>(ALL);
  /** How long the model thought before it answered. */
  readonly clock = new ThoughtClock();

  #buffer = '';
  #paint: ReturnType<typeof setTimeout> | null = null;

  /** Nothing is known yet of what is asked for. */
  expect(): void {
    this.dropped = 0;
    this.summarised = 0;
    this.sight = ALL;
    this.phase = { kind: 'starting' };
  }

  /** From here on it is this message, which may have words already. */
  begin({ id, content }: Message): void {
    this.flush();
    this.id = id;
    this.#buffer = content;
    this.text = content;
  }

  /** What happens to it. Events that are not its own are left alone. */
  take(event: ChatEvent): void {
    switch (event.type) {
      case 'loading':
        this.phase = { kind: 'loading', model: event.model };
        break;
      case 'summarising':
        this.phase = { kind: 'summarising' };
        break;
      case 'summarised':
        this.summarised = event.messageIds.length;
        this.sight = { ...this.sight, summarisedTo: event.messageIds.at(-1) ?? null };
        break;
      case 'dropped':
        this.dropped = event.messageIds.length;
        this.sight = { ...this.sight, droppedTo: event.messageIds.at(-1) ?? null };
        break;
      case 'queued':
        this.phase = { kind: 'queued', position: event.position };
        break;
      case 'prefill': {
        const { processed, total, cached } = event;
        this.phase = { kind: 'prefill', processed, total, cached };
        this.prompt = { total, cached };
        break;
      }
      case 'text':
        if (this.phase.kind !== 'writing') this.phase = { kind: 'writing' };
        this.#buffer += event.text;
        this.#paint ??= setTimeout(() => this.flush(), PAINT_EVERY);
        break;
    }
  }

  end(): void {
    this.flush();
    this.id = null;
    this.prompt = null;
    this.text = '';
    this.#buffer = '';
  }

  /** Paints what has come. */
  flush(): void {
    this.dispose();
    this.text = this.#buffer;
    if (this.id !== null) this.clock.see(this.id, this.text);
  }

  /** Lets go of its timer. */
  dispose(): void {
    if (this.#paint !== null) clearTimeout(this.#paint);
    this.#paint = null;
  }
}
