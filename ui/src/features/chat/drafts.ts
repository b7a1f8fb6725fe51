/** Unsent words, kept per conversation until they are sent, also across restarts. */
const KEY = 'lantern.drafts';
/** Where words for a conversation that does not exist yet are kept. */
const NEW = '';
/** What ids of chats begin with that leave no trace: neither do their drafts. */
const TEMPORARY = 'temporary-';
/** Old drafts of deleted conversations must not pile up for ever. */
const MOST = 100;

/** Whether a conversation of this id leaves no trace. */
export function isTemporary(conversationId: string | null): boolean {
  return conversationId?.startsWith(TEMPORARY) ?? false;
}

type Kept = Pick<Storage, 'getItem' | 'setItem'>;

export class DraftStore {
  readonly #storage: Kept;
  #drafts: Map<string, string>;
  /** What was written or cleared through this window. */
  readonly #own = new Map<string, string>();

  constructor(storage: Kept) {
    this.#storage = storage;
    this.#drafts = read(storage);
  }

  get(conversationId: string | null): string {
    return this.#drafts.get(conversationId ?? NEW) ?? '';
  }

  set(conversationId: string | null, text: string): void {
    const key = conversationId ?? NEW;
    this.#own.delete(key);
    this.#own.set(key, text);
    // Other windows keep theirs in the same place.
    this.#drafts = read(this.#storage);
    for (const [mine, words] of this.#own) {
      this.#drafts.delete(mine);
      if (words.trim() !== '') this.#drafts.set(mine, words);
    }
    for (const oldest of this.#drafts.keys()) {
      if (this.#drafts.size <= MOST) break;
      this.#drafts.delete(oldest);
    }
    try {
      const lasting = [...this.#drafts].filter(([id]) => !isTemporary(id));
      this.#storage.setItem(KEY, JSON.stringify(lasting));
    } catch {
      // A full or forbidden storage costs the draft its survival of a restart, nothing else.
    }
  }

  /** The conversation got its id: what is being typed goes with it. */
  move(from: string | null, to: string | null): void {
    const text = this.get(from);
    this.clear(from);
    if (text !== '') this.set(to, text);
  }

  clear(conversationId: string | null): void {
    this.set(conversationId, '');
  }
}

function read(storage: Kept): Map<string, string> {
  try {
    const entries: unknown = JSON.parse(storage.getItem(KEY) ?? '[]');
    if (!Array.isArray(entries)) return new Map();
    return new Map(
      entries.filter(
        (entry): entry is [string, string] =>
          Array.isArray(entry) && typeof entry[0] === 'string' && typeof entry[1] === 'string',
      ),
    );
  } catch {
    return new Map();
  }
}
