/** Which conversation is open, and the sessions that are still busy behind it. */
import { toErrorInfo, type Backend } from '../../backend';
import type { Conversation, ErrorInfo } from '../../backend/types';
import { DraftStore } from './drafts';
import { ChatSession } from './session.svelte';
import { said, t } from '../../shared/i18n';

/** When the rest of a long conversation is asked for, in milliseconds after its end was. */
const REST_AFTER = 300;

export class ChatController {
  session: ChatSession;
  /** The conversation that is being fetched. */
  opening = $state<string | null>(null);
  openError = $state.raw<ErrorInfo | null>(null);
  /** Said to screen readers when an answer begins and ends. */
  announcement = $state('');
  readonly drafts: DraftStore;

  readonly #backend: Backend;
  // Nothing is drawn from this map, so it need not be reactive.
  // eslint-disable-next-line svelte/prefer-svelte-reactivity
  readonly #busy = new Map<string, ChatSession>();
  readonly #onConversationsChanged: () => void;

  constructor(
    backend: Backend,
    options: { storage: Pick<Storage, 'getItem' | 'setItem'>; onConversationsChanged?: () => void },
  ) {
    this.#backend = backend;
    this.drafts = new DraftStore(options.storage);
    this.#onConversationsChanged = options.onConversationsChanged ?? (() => {});
    this.session = $state.raw(this.#fresh());
  }

  readonly openId = $derived.by(() => this.opening ?? this.session.conversation?.id ?? null);

  startNew(): void {
    this.opening = null;
    this.openError = null;
    if (this.session.isEmpty && !this.session.conversation) return;
    this.#leave();
    this.session = this.#fresh();
  }

  /** Puts words into the draft of an empty conversation, behind those that are there. Nothing is sent. */
  propose(text: string): void {
    const before = this.drafts.get(null);
    this.drafts.set(null, before.trim() === '' ? text : `${before}\n\n${text}`);
    this.opening = null;
    this.openError = null;
    this.#leave();
    this.session = this.#fresh();
  }

  /** Shows a conversation that has no message yet and leaves no trace. */
  startTemporary(conversation: Conversation): void {
    this.opening = null;
    this.openError = null;
    this.#leave();
    const session = this.#fresh();
    session.show({ conversation, messages: [], summaries: [] });
    this.session = session;
  }

  /** With a message, the branch through it, at that message. */
  async open(id: string, messageId: string | null = null): Promise<void> {
    if (this.openId === id && !this.openError && this.opening === null) {
      if (messageId !== null) this.session.reveal(messageId);
      return;
    }
    this.openError = null;
    const busy = this.#busy.get(id);
    if (busy) {
      this.opening = null;
      this.#leave();
      this.session = busy;
      if (messageId !== null) busy.reveal(messageId);
      return;
    }
    this.opening = id;
    try {
      const read = [this.#backend.openConversation(id), this.#backend.toolCalls(id)] as const;
      const [{ view, whole }, calls] = await Promise.all(read);
      if (this.opening !== id) return;
      this.#leave();
      const session = this.#fresh();
      session.show(view, calls);
      if (messageId !== null) session.reveal(messageId);
      this.session = session;
      // First the end is drawn: reading the rest would hold that up.
      if (!whole) setTimeout(() => void session.showWhole(), REST_AFTER);
    } catch (cause) {
      if (this.opening === id) this.openError = toErrorInfo(cause);
    } finally {
      if (this.opening === id && !this.openError) this.opening = null;
    }
  }

  /** The conversation was renamed: the header follows. */
  renamed(id: string, title: string): void {
    const { conversation } = this.session;
    if (conversation?.id === id) this.session.conversation = { ...conversation, title };
  }

  /** The conversation was deleted: if it was open, an empty one takes its place. */
  deleted(id: string): void {
    this.drafts.clear(id);
    const busy = this.#busy.get(id);
    this.#busy.delete(id);
    if (busy && busy !== this.session) busy.dispose();
    if (this.openId === id) {
      this.opening = null;
      this.session.dispose();
      this.session = this.#fresh();
    }
  }

  send(content: string): void {
    const text = content.trim();
    if (text === '' || this.session.busy) return;
    this.drafts.clear(this.session.conversation?.id ?? null);
    this.session.send(text);
  }

  #fresh(): ChatSession {
    return new ChatSession(this.#backend, (session) => this.#changed(session));
  }

  #leave(): void {
    const { conversation } = this.session;
    if (conversation?.temporary) {
      // It is closed, and so is the answer that is being written in it.
      this.drafts.clear(conversation.id);
      this.#busy.delete(conversation.id);
      this.session.dispose();
      void this.#backend.deleteConversation(conversation.id).catch(() => {});
    } else if (!this.session.busy) this.session.dispose();
  }

  #changed(session: ChatSession): void {
    const id = session.conversation?.id;
    if (id) {
      if (session.busy) this.#busy.set(id, session);
      else this.#busy.delete(id);
      this.#onConversationsChanged();
    }
    // Words that could not be sent are a draft again, should the user leave them.
    const unsent = session.failure?.content;
    if (unsent) this.drafts.set(id ?? null, unsent);
    if (session === this.session) this.announcement = announcementFor(session);
  }
}

function announcementFor(session: ChatSession): string {
  const asking = session.calls.find(({ state }) => state === 'asking');
  if (session.busy && asking) return t('chat.announce.asking', { tool: asking.tool });
  if (session.busy) return t('chat.announce.busy');
  const last = session.branch.at(-1)?.message;
  if (session.failure) return t('chat.announce.failure', { reason: said(session.failure.error).message });
  switch (last?.status) {
    case 'failed':
      return t('chat.announce.failed', { reason: last.error ? said(last.error).message : '' });
    case 'stopped':
      return t('chat.announce.stopped');
    case 'truncated':
      return t('chat.announce.truncated');
    default:
      return t('chat.announce.finished');
  }
}
