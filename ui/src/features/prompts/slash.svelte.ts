/**
 * The list of prompts behind a `/` at the start of a line: whether it is open, what it shows, and the keys that move in
 * it. The focus never leaves the field.
 */
import type { SavedPrompt } from '../../backend/types';
import { isComposing } from '../../shared/keyboard';

/** Where the words stand that the list is about. */
export interface Token {
  start: number;
  end: number;
  query: string;
}

/** Japanese keyboards write the wide one. */
const SLASHES = ['/', '／'];
/** As long as a prompt's name may be. */
const LONGEST_QUERY = 80;

/** The `/` and what follows it, where the line up to the caret is that and nothing else. */
export function tokenAt(text: string, caret: number): Token | null {
  const start = text.lastIndexOf('\n', caret - 1) + 1;
  const line = text.slice(start, caret);
  if (!SLASHES.some((slash) => line.startsWith(slash))) return null;
  const query = line.slice(1);
  return query.length > LONGEST_QUERY ? null : { start, end: caret, query };
}

/** Prompts whose names hold these letters; those that begin with them come first. */
export function matching(prompts: readonly SavedPrompt[], query: string): SavedPrompt[] {
  const wanted = query.trim().toLocaleLowerCase();
  const at = ({ name }: SavedPrompt) => name.toLocaleLowerCase().indexOf(wanted);
  const found = prompts.filter((prompt) => at(prompt) >= 0);
  return [
    ...found.filter((prompt) => at(prompt) === 0),
    ...found.filter((prompt) => at(prompt) > 0),
  ];
}

export class SlashList {
  #token = $state.raw<Token | null>(null);
  #at = $state(0);
  /** Start of a token that the user has said no to. */
  #dismissed: number | null = null;
  readonly #all: () => readonly SavedPrompt[];
  readonly #onchoose: (prompt: SavedPrompt, token: Token) => void;

  constructor(
    all: () => readonly SavedPrompt[],
    onchoose: (prompt: SavedPrompt, token: Token) => void,
  ) {
    this.#all = all;
    this.#onchoose = onchoose;
  }

  readonly options = $derived.by(() =>
    this.#token ? matching(this.#all(), this.#token.query) : [],
  );
  readonly open = $derived(this.options.length > 0);
  readonly chosen = $derived(this.options[Math.min(this.#at, this.options.length - 1)] ?? null);

  /** The text or the caret is another one. */
  see(text: string, caret: number | null): void {
    const before = this.#token;
    const token = caret === null ? null : tokenAt(text, caret);
    if (token === null || token.start !== this.#dismissed) this.#dismissed = null;
    const next = token && token.start === this.#dismissed ? null : token;
    if (next?.query !== before?.query || next?.start !== before?.start) this.#at = 0;
    this.#token = next;
  }

  close(): void {
    this.#token = null;
  }

  point(prompt: SavedPrompt): void {
    this.#at = this.options.indexOf(prompt);
  }

  choose(prompt: SavedPrompt): void {
    const token = this.#token;
    if (token === null) return;
    this.#token = null;
    this.#onchoose(prompt, token);
  }

  /** Whether the key was for the list. What an input method is at work on is not. */
  onkeydown(event: KeyboardEvent): boolean {
    if (!this.open || isComposing(event) || event.ctrlKey || event.metaKey || event.altKey) {
      return false;
    }
    const count = this.options.length;
    switch (event.key) {
      case 'ArrowDown':
        this.#at = (Math.min(this.#at, count - 1) + 1) % count;
        break;
      case 'ArrowUp':
        this.#at = (Math.min(this.#at, count - 1) + count - 1) % count;
        break;
      case 'Enter':
      case 'Tab':
        if (event.shiftKey || !this.chosen) return false;
        this.choose(this.chosen);
        break;
      case 'Escape':
        this.#dismissed = this.#token?.start ?? null;
        this.#token = null;
        break;
      default:
        return false;
    }
    event.preventDefault();
    // Escape would also stop an answer.
    event.stopPropagation();
    return true;
  }
}
