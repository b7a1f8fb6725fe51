/** What answers followed from, and having them again. */
import type { AnswerReceipts, ReplayEvent } from './types';

export interface ReceiptsBackend {
  /** The receipts of the answer that a message belongs to: several where tools were called. */
  receipts(messageId: string): Promise<AnswerReceipts>;
  /** Writes them to a file. */
  saveReceipts(messageId: string, path: string): Promise<void>;
  /** Generates a message again. What happens arrives through `onEvent`; the promise only says that it has begun. */
  replayMessage(messageId: string, onEvent: (event: ReplayEvent) => void): Promise<void>;
  stopReplay(): Promise<void>;
}

type Call = <T>(command: string, args?: Record<string, unknown>) => Promise<T>;
type MakeChannel = (onEvent: (event: ReplayEvent) => void) => unknown;

/** As the desktop shell offers it. */
export function receiptsOf(call: Call, channel: MakeChannel): ReceiptsBackend {
  return {
    receipts: (messageId) => call('receipts', { messageId }),
    saveReceipts: (messageId, path) => call('save_receipts', { messageId, path }),
    replayMessage: (messageId, onEvent) =>
      call('replay_message', { messageId, channel: channel(onEvent) }),
    stopReplay: () => call('stop_replay'),
  };
}

/** For tests: no answer has a receipt. */
export function fakeReceipts(): ReceiptsBackend {
  const none = {
    code: 'receipt_missing',
    message: 'none',
    nextStep: '',
  };
  return {
    receipts: () => Promise.reject(none),
    saveReceipts: () => Promise.resolve(),
    replayMessage: () => Promise.resolve(),
    stopReplay: () => Promise.resolve(),
  };
}
