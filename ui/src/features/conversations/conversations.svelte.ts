/** The list in the sidebar, and the search that narrows it. */
import { toErrorInfo, type Backend } from '../../backend';
import type { ConversationSummary, ErrorInfo } from '../../backend/types';
import { groupByDay, type Group } from './groups';

/** Typing is searched once it pauses this long, in milliseconds. */
const SEARCH_AFTER = 150;
/** Rows drawn at first, and added on demand: thousands at once would slow every change down. */
const PAGE = 200;

export class ConversationsController {
  rows = $state.raw<ConversationSummary[]>([]);
  query = $state('');
  loaded = $state(false);
  error = $state.raw<ErrorInfo | null>(null);

  /** Rows drawn; the rest comes when asked for. */
  #limit = $state(PAGE);
  #asked = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;
  readonly #backend: Backend;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  readonly searching = $derived(this.query.trim() !== '');
  readonly hidden = $derived(Math.max(0, this.rows.length - this.#limit));
  readonly groups = $derived.by(() => this.#grouped(this.rows.slice(0, this.#limit)));

  showMore(): void {
    this.#limit += PAGE;
  }

  search(query: string): void {
    this.query = query;
    this.refreshSoon();
  }

  #grouped(rows: ConversationSummary[]): Group[] {
    return this.searching ? [{ label: 'Results', rows }] : groupByDay(rows, Date.now());
  }

  /** Many changes in a row cost one look. */
  refreshSoon(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.refresh(), SEARCH_AFTER);
  }

  async refresh(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const asked = ++this.#asked;
    try {
      const rows = await this.#backend.listConversations(this.query.trim() || null);
      if (asked !== this.#asked) return;
      this.rows = rows;
      this.error = null;
    } catch (cause) {
      if (asked === this.#asked) this.error = toErrorInfo(cause);
    } finally {
      this.loaded = true;
    }
  }

  async rename(id: string, title: string): Promise<void> {
    await this.#backend.renameConversation(id, title);
    await this.refresh();
  }

  async pin(id: string, pinned: boolean): Promise<void> {
    await this.#backend.pinConversation(id, pinned);
    await this.refresh();
  }

  async remove(id: string): Promise<void> {
    await this.#backend.deleteConversation(id);
    await this.refresh();
  }
}
