/**
 * What the model reads of the open conversation: the conversation's choice for when it no longer fits, the marks of its
 * messages, and its summaries in the user's hands.
 */
import { createContext } from 'svelte';
import { toErrorInfo } from '../../backend';
import type { ConversationContext, ErrorInfo, Overflow, Summary } from '../../backend/types';
import type { LanternApp } from '../../lantern.svelte';
import type { Key } from '../../shared/i18n';
import { branchTo } from '../chat/tree';
import { NOTHING, countMarks, endsByCounts, endsOf, markAt, type Ends, type Mark } from './sight';
import { inspectedWords, markWords } from './words';

/** The model's plan is asked for so long after what it depends on has changed, in milliseconds: drawing comes first. */
const ASK_AFTER = 250;

/** What is said of a message. */
export interface MessageMark {
  /** For the next question, or for the answer that was picked out. */
  mark: Mark;
  words: Key;
}

/** The summary that stands in the list. */
export interface ShownSummary {
  /** Behind which message of the branch. */
  place: number;
  messageId: string;
  text: string;
  edited: boolean;
  /** As an answer read it, which may have changed since. */
  past: boolean;
}

export class ContextController {
  /** What the application knows of the open conversation. */
  known = $state.raw<ConversationContext | null>(null);
  /** An answer whose sight is shown in place of the next question's. */
  inspected = $state<string | null>(null);
  /** A summary that is being edited; it outlives its place on the screen. */
  draft = $state<{ messageId: string; text: string } | null>(null);
  /** A summary that the model is writing anew. */
  writing = $state<string | null>(null);
  /** What went wrong with a summary. */
  failure = $state.raw<{ messageId: string; error: ErrorInfo } | null>(null);

  readonly #app: LanternApp;
  #asked = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #of: string | null = null;

  constructor(app: LanternApp) {
    this.#app = app;
  }

  readonly #session = $derived.by(() => this.#app.chat.session);
  /** The conversation's own choice. */
  readonly own = $derived(this.known?.overflow ?? null);
  readonly fromSettings = $derived.by(
    (): Overflow => this.#app.settings.current?.overflow ?? 'drop_oldest',
  );
  readonly choice = $derived(this.own ?? this.fromSettings);
  /** Whether a server answers, which alone knows what fits there. */
  readonly elsewhere = $derived.by(() => {
    const model = this.#app.answering.model;
    return model !== null && this.#app.remotes.owns(model);
  });
  /** What is planned for the next question; `null` while nobody knows. */
  readonly next = $derived.by(() => (this.#session.busy ? null : (this.known?.next ?? null)));

  readonly #nextEnds = $derived.by((): Ends | null =>
    this.next ? endsOf(this.next, this.#session.branch, this.#session.messages) : null,
  );
  readonly #lastEnds = $derived.by((): Ends => {
    const { branch } = this.#session;
    const last = branch.findLast(({ message }) => message.role === 'assistant')?.message.id;
    return last === undefined ? NOTHING : this.#endsOf(last);
  });
  readonly #inspectedEnds = $derived(this.inspected === null ? null : this.#endsOf(this.inspected));
  readonly #inspectedPlace = $derived.by(() =>
    this.#session.branch.findIndex(({ message }) => message.id === this.inspected),
  );

  /** What an answer did not read as it stands. */
  #endsOf(answerId: string): Ends {
    const session = this.#session;
    const { branch, messages } = session;
    if (answerId === session.live.id) return endsOf(session.live.sight, branch, messages);
    const kept = this.known?.sights.find(({ messageId }) => messageId === answerId);
    if (kept) return endsOf(kept, branch, messages);
    const stats = messages.find(({ id }) => id === answerId)?.stats;
    return endsByCounts(stats?.summarisedMessages ?? 0, stats?.droppedMessages ?? 0, branch);
  }

  /** How many messages of the branch have each mark. */
  readonly counts = $derived.by(() => {
    const total = this.#session.branch.length;
    return countMarks(total, this.#inspectedEnds ?? this.#nextEnds ?? this.#lastEnds);
  });

  /** The mark of the message at a place of the branch; `null` where there is nothing to say. */
  markAt(place: number): MessageMark | null {
    if (this.#inspectedEnds !== null && this.#inspectedPlace >= 0) {
      const mark = place < this.#inspectedPlace ? markAt(place, this.#inspectedEnds) : 'read';
      const words = inspectedWords(mark);
      return words === null ? null : { mark, words };
    }
    const answer = markAt(place, this.#lastEnds);
    const next = this.#nextEnds === null ? null : markAt(place, this.#nextEnds);
    const words = markWords(next, answer);
    return words === null ? null : { mark: next ?? answer, words };
  }

  /** The summary that stands for the beginning of the branch. */
  readonly summary = $derived.by((): ShownSummary | null => {
    const session = this.#session;
    if (this.inspected !== null) {
      const sight = this.known?.sights.find(({ messageId }) => messageId === this.inspected);
      if (!sight?.summarisedTo) return null;
      const place = this.#inspectedEnds?.summarised ?? -1;
      const { summarisedTo: messageId, summary } = sight;
      return { place, messageId, text: summary ?? '', edited: false, past: true };
    }
    const { summarised } = this.#nextEnds ?? this.#lastEnds;
    const placed = session.summaries.map((one) => ({
      ...one,
      place: this.#placeOf(one.messageId),
    }));
    const standing = placed.filter(({ place }) => place >= 0 && place <= summarised);
    if (standing.length === 0) return null;
    const latest = standing.reduce((best, one) => (one.place > best.place ? one : best));
    return { ...latest, past: false };
  });

  /** Behind which message the model will have written a summary before it answers next; -1 where it need not. */
  readonly due = $derived(
    this.inspected === null && this.next?.summaryDue ? (this.#nextEnds?.summarised ?? -1) : -1,
  );

  #placeOf(messageId: string): number {
    const { branch, messages } = this.#session;
    return endsOf({ summarisedTo: messageId, droppedTo: null }, branch, messages).summarised;
  }

  /** Reads everything that {@link refresh} depends on, so that an effect runs when it changes. */
  touch(): unknown[] {
    const { conversation, busy, leafId, summaries } = this.#session;
    const { settings, models, answering } = this.#app;
    const { overflow, contextLength, systemPrompt, sampling } = settings.current ?? {};
    const own = [conversation?.id, conversation?.contextLength, busy, leafId, summaries];
    const maxTokens = sampling?.maxTokens;
    const inMemory = models.state;
    return [...own, answering.model, inMemory, overflow, contextLength, systemPrompt, maxTokens];
  }

  /** Asks what the model would read, a moment later. While it answers, the answer says that itself. */
  refreshSoon(): void {
    const id = this.#session.conversation?.id ?? null;
    if (id !== this.#of) {
      this.#of = id;
      this.known = null;
      this.inspected = null;
      this.draft = null;
      this.failure = null;
    }
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#asked += 1;
    if (this.#session.busy && this.known) this.known = { ...this.known, next: null };
    if (id === null || this.#session.busy) return;
    this.#timer = setTimeout(() => void this.refresh(), ASK_AFTER);
  }

  async refresh(): Promise<void> {
    const id = this.#session.conversation?.id;
    if (id === undefined) return;
    const ticket = ++this.#asked;
    try {
      const { backend, answering } = this.#app;
      const known = await backend.conversationContext(id, answering.model);
      if (ticket === this.#asked) this.known = known;
    } catch {
      // The words are there; what the model reads of them is asked for again with the next change.
    }
  }

  /** What this conversation does from now on when it no longer fits; `null` leaves it to the settings. */
  async choose(overflow: Overflow | null): Promise<void> {
    const id = this.#session.conversation?.id;
    if (id === undefined) return;
    await this.#app.attempt(async () => {
      await this.#app.backend.setOverflow(id, overflow);
      this.known = { sights: [], next: null, ...this.known, overflow };
      if (!this.#session.busy) await this.refresh();
    });
  }

  /** Shows what an answer read, or again what the next question would. */
  inspect(answerId: string): void {
    this.inspected = this.inspected === answerId ? null : answerId;
  }

  edit(messageId: string, text: string): void {
    this.draft = { messageId, text };
  }

  /** Keeps what was edited. */
  async save(): Promise<void> {
    if (this.draft === null || this.draft.text.trim() === '') return;
    const { messageId, text } = this.draft;
    await this.#change(messageId, async () => {
      const summary = await this.#app.backend.editSummary(messageId, text);
      // At once: what the model reads now is planned anew after that, and may take a while.
      this.draft = null;
      return summary;
    });
  }

  async rewrite(messageId: string): Promise<void> {
    if (this.writing !== null) return;
    this.writing = messageId;
    const { backend, answering } = this.#app;
    await this.#change(messageId, () => backend.rewriteSummary(messageId, answering.model));
    this.writing = null;
  }

  stopWriting(): void {
    const id = this.writing;
    if (id !== null) void this.#app.attempt(() => this.#app.backend.stopMessage(id));
  }

  /** Removes a summary, and those that it was made from: the messages are read again, as far as they fit. */
  async remove(messageId: string): Promise<void> {
    const session = this.#session;
    this.failure = null;
    try {
      await this.#app.backend.removeSummary(messageId);
      const gone = branchTo(session.messages, messageId).map(({ message }) => message.id);
      session.summaries = session.summaries.filter((one) => !gone.includes(one.messageId));
      await this.refresh();
    } catch (cause) {
      this.failure = { messageId, error: toErrorInfo(cause) };
    }
  }

  async #change(messageId: string, change: () => Promise<Summary>): Promise<boolean> {
    const session = this.#session;
    this.failure = null;
    try {
      const summary = await change();
      const others = session.summaries.filter((one) => one.messageId !== messageId);
      session.summaries = [...others, summary];
      void this.refresh();
      return true;
    } catch (cause) {
      this.failure = { messageId, error: toErrorInfo(cause) };
      return false;
    }
  }
}

const [context, provide, provided] = createContext<ContextController>();
export const provideContext = provide;

/** `null` where a message stands alone. */
export function useContext(): ContextController | null {
  return provided() ? context() : null;
}
