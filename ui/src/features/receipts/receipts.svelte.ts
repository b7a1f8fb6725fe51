/** The receipts of one answer: what they say, and having it again. */
import { toErrorInfo, type Backend } from '../../backend';
import type { AnswerReceipts, ErrorInfo, Receipt, ReplayVerdict } from '../../backend/types';
import { copyText } from '../../shared/clipboard';

/** What a replay does now. */
export type ReplayPhase =
  | { kind: 'starting' }
  | { kind: 'loading'; model: string }
  | { kind: 'reading' | 'writing'; done: number; total: number };

/** Between two looks whether a hash is known by now, in milliseconds. */
const LOOK = 2000;

export class ReceiptController {
  readonly messageId: string;
  found = $state.raw<AnswerReceipts | null>(null);
  /** Why there is none, or why something came to nothing. */
  error = $state.raw<ErrorInfo | null>(null);
  /** The receipt that is shown, of those of an answer with calls of tools. */
  index = $state(0);
  replaying = $state.raw<ReplayPhase | null>(null);
  /** What came of replays, by message. */
  verdicts = $state.raw<Record<string, ReplayVerdict>>({});
  readonly #backend: Backend;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(backend: Backend, messageId: string) {
    this.#backend = backend;
    this.messageId = messageId;
  }

  readonly receipt = $derived<Receipt | null>(this.found?.receipts[this.index] ?? null);
  readonly verdict = $derived(
    this.receipt ? (this.verdicts[this.receipt.messageId] ?? null) : null,
  );
  readonly replayable = $derived(
    this.receipt?.by.type === 'local' &&
      this.receipt.answer.length > 0 &&
      this.found?.notice?.code !== 'model_missing',
  );

  /** Reads them, and again until every hash is known. */
  async load(): Promise<void> {
    try {
      const found = await this.#backend.receipts(this.messageId);
      if (this.#closed) return;
      if (this.found === null) this.index = found.receipts.length - 1;
      this.found = found;
      if (found.receipts.some(isIncomplete)) {
        this.#timer = setTimeout(() => void this.load(), LOOK);
      }
    } catch (cause) {
      // What was read once stays.
      if (this.found === null) this.error = toErrorInfo(cause);
    }
  }

  /** All of them, as they are saved. */
  json(): string {
    return JSON.stringify(this.found?.receipts ?? [], null, 2);
  }

  copy(): Promise<boolean> {
    return copyText(this.json());
  }

  /** Whether it was saved, and not thought better of. */
  async save(): Promise<boolean> {
    try {
      const path = await this.#backend.chooseSavePath('receipt', 'json');
      if (path === null) return false;
      await this.#backend.saveReceipts(this.messageId, path);
      return true;
    } catch (cause) {
      this.error = toErrorInfo(cause);
      return false;
    }
  }

  async replay(): Promise<void> {
    const id = this.receipt?.messageId;
    if (id === undefined || this.replaying) return;
    this.error = null;
    this.verdicts = Object.fromEntries(Object.entries(this.verdicts).filter(([key]) => key !== id));
    this.replaying = { kind: 'starting' };
    const ended = (error: ErrorInfo | null) => {
      this.replaying = null;
      // Whoever stopped it knows.
      if (error?.code !== 'replay_stopped') this.error = error;
    };
    try {
      await this.#backend.replayMessage(id, (event) => {
        switch (event.type) {
          case 'loading':
            this.replaying = { kind: 'loading', model: event.model };
            break;
          case 'reading':
          case 'writing':
            this.replaying = { kind: event.type, done: event.done, total: event.total };
            break;
          case 'finished':
            this.verdicts = { ...this.verdicts, [id]: event.verdict };
            ended(null);
            break;
          case 'failed':
            ended(event.error);
        }
      });
    } catch (cause) {
      ended(toErrorInfo(cause));
    }
  }

  async stop(): Promise<void> {
    try {
      await this.#backend.stopReplay();
    } catch (cause) {
      this.error = toErrorInfo(cause);
    }
  }

  /** Nobody looks any more. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    if (this.replaying) void this.stop();
  }
}

function isIncomplete({ by }: Receipt): boolean {
  return by.type === 'local' && by.files.some(({ sha256 }) => sha256 === null);
}
