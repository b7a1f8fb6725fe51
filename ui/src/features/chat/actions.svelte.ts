/** What can be done with an answer beyond what its message does itself: chosen in the message, done for the whole chat. */
import { createContext } from 'svelte';
import type { LanternApp } from '../../lantern.svelte';

export class AnswerActions {
  /** The answers that are shown side by side: the one that was there, and the other, which may still be coming. */
  compared = $state.raw<{ left: string; right: string | null } | null>(null);
  /** The answer whose receipt is shown. */
  receiptOf = $state<string | null>(null);
  /** Whether the tree of this conversation is shown. */
  treeShown = $state(false);

  readonly #app: LanternApp;

  constructor(app: LanternApp) {
    this.#app = app;
  }

  /** Models that could write another answer. */
  readonly models = $derived.by((): string[] => {
    const servers = this.#app.remotes.servers.flatMap(({ health }) =>
      health.state === 'reachable' ? health.models.map(({ id }) => id) : [],
    );
    return [...this.#app.models.usable.map(({ id }) => id), ...servers];
  });

  answerWith(messageId: string, model: string): void {
    this.#app.chat.session.regenerate(messageId, model);
  }

  answerBeside(messageId: string, model: string): void {
    this.compared = { left: messageId, right: null };
    this.#app.chat.session.regenerate(messageId, model);
  }

  /** Shows this answer beside the version before it, or behind it. */
  compare(messageId: string): void {
    const { session } = this.#app.chat;
    const node = session.branch.find(({ message }) => message.id === messageId);
    if (!node) return;
    const other = node.alternatives[node.index - 1] ?? node.alternatives[node.index + 1] ?? null;
    if (other !== null) this.compared = { left: other, right: messageId };
  }

  goOn(messageId: string): void {
    this.#app.chat.session.continueAnswer(messageId);
  }

  /** What this conversation does from now on when it does not fit, and this answer once more. */
  async overflow(messageId: string, overflow: 'drop_oldest' | 'summarise'): Promise<void> {
    const { session } = this.#app.chat;
    const id = session.conversation?.id;
    if (id === undefined) return;
    await this.#app.attempt(async () => {
      await this.#app.backend.setOverflow(id, overflow);
      session.regenerate(messageId);
    });
  }
}

const [context, provide, provided] = createContext<AnswerActions>();
export const provideActions = provide;

/** `null` where a message stands alone. */
export function useActions(): AnswerActions | null {
  return provided() ? context() : null;
}
