/** Conversations that outgrow their context: what each does then, and summaries in the user's hands. */
import type { ConversationContext, Overflow, Summary } from './types';

export interface OverflowBackend {
  /** What the model reads of a conversation; `next` is `null` where no model is in memory that could tell. */
  conversationContext(id: string, model: string | null): Promise<ConversationContext>;
  /** What the conversation does when it no longer fits; `null` leaves it to the settings. */
  setOverflow(id: string, overflow: Overflow | null): Promise<void>;
  /** Has the summary that ends at a message read like this. */
  editSummary(messageId: string, text: string): Promise<Summary>;
  /** Resolves when the model has written it; `stopMessage` with the same id ends that, and the old one stays. */
  rewriteSummary(messageId: string, model: string | null): Promise<Summary>;
  /** Removes it with those that it was made from. */
  removeSummary(messageId: string): Promise<void>;
}

type Call = <T>(command: string, args?: Record<string, unknown>) => Promise<T>;

/** As the desktop shell offers it. */
export function overflowOf(call: Call): OverflowBackend {
  return {
    conversationContext: (id, model) => call('conversation_context', { id, model }),
    setOverflow: (id, overflow) => call('set_overflow', { id, overflow }),
    editSummary: (messageId, text) => call('edit_summary', { messageId, text }),
    rewriteSummary: (messageId, model) => call('rewrite_summary', { messageId, model }),
    removeSummary: (messageId) => call('remove_summary', { messageId }),
  };
}

/** For tests: everything fits, and summaries are what one makes of them. */
export function fakeOverflow(): OverflowBackend {
  return {
    conversationContext: () => Promise.resolve({ overflow: null, sights: [], next: null }),
    setOverflow: () => Promise.resolve(),
    editSummary: (messageId, text) => Promise.resolve({ messageId, text, edited: true }),
    rewriteSummary: (messageId) => Promise.resolve({ messageId, text: 'anew', edited: false }),
    removeSummary: () => Promise.resolve(),
  };
}
