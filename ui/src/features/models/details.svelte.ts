/** A model of the library that is looked at closely: all its file tells, and what the user keeps about it. */
import { toErrorInfo, type Backend } from '../../backend';
import type {
  ErrorInfo,
  FileCheck,
  ModelDefaults,
  ModelDetails,
  ModelNotes,
  ModelUpdate,
  TemplateDiff,
} from '../../backend/types';

/** Something that takes a while and is asked for by a button. */
export interface Asked<T> {
  busy: boolean;
  value: T | null;
  error: ErrorInfo | null;
}
const NOT_ASKED = { busy: false, value: null, error: null };

export class DetailsController {
  /** Library id of the one on show. */
  id = $state.raw<string | null>(null);
  details = $state.raw<ModelDetails | null>(null);
  error = $state.raw<ErrorInfo | null>(null);
  /** Why what the user keeps could not be kept. */
  keepError = $state.raw<ErrorInfo | null>(null);
  checks = $state.raw<Asked<FileCheck[]>>(NOT_ASKED);
  /** From 0 to 1, while all bytes are read. */
  checked = $state<number | null>(null);
  diff = $state.raw<Asked<TemplateDiff>>(NOT_ASKED);
  /** `value` is an empty list when the newest is here. */
  updates = $state.raw<Asked<ModelUpdate[]>>(NOT_ASKED);
  readonly #backend: Backend;
  #turn = 0;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  async open(id: string): Promise<void> {
    this.id = id;
    this.details = null;
    this.keepError = null;
    this.checks = NOT_ASKED;
    this.diff = NOT_ASKED;
    this.updates = NOT_ASKED;
    await this.refresh();
  }

  async refresh(): Promise<void> {
    const { id } = this;
    if (id === null) return;
    const turn = (this.#turn += 1);
    try {
      const details = await this.#backend.modelDetails(id);
      if (turn !== this.#turn) return;
      this.details = details;
      this.error = null;
    } catch (cause) {
      if (turn === this.#turn) this.error = toErrorInfo(cause);
    }
  }

  close(): void {
    this.#turn += 1;
    this.id = null;
  }

  setNote(note: string): Promise<boolean> {
    return this.#keep({ note });
  }

  setFavourite(favourite: boolean): Promise<boolean> {
    return this.#keep({ favourite });
  }

  setDefaults(defaults: ModelDefaults): Promise<boolean> {
    return this.#keep({ defaults });
  }

  /** The check of a model moved on. */
  moved(model: string, done: number, total: number): void {
    if (model === this.id && this.checks.busy) this.checked = total > 0 ? done / total : null;
  }

  verify(): Promise<void> {
    this.checked = null;
    return this.#ask(
      (id) => this.#backend.verifyModel(id),
      (asked) => (this.checks = asked),
    );
  }

  compareTemplate(): Promise<void> {
    return this.#ask(
      (id) => this.#backend.templateDiff(id),
      (asked) => (this.diff = asked),
    );
  }

  lookForUpdates(): Promise<void> {
    return this.#ask(
      (id) => this.#backend.checkUpdates([id]),
      (asked) => (this.updates = asked),
    );
  }

  /** One after the other: each is built on what the one before it kept. */
  #keep(change: Partial<ModelNotes>): Promise<boolean> {
    const kept = this.#queue.then(async () => {
      const { id, details } = this;
      if (id === null || details === null) return false;
      try {
        const notes = await this.#backend.setModelNotes(id, { ...details.notes, ...change });
        if (this.id === id && this.details !== null) this.details = { ...this.details, notes };
        this.keepError = null;
        return true;
      } catch (cause) {
        this.keepError = toErrorInfo(cause);
        return false;
      }
    });
    this.#queue = kept;
    return kept;
  }

  async #ask<T>(
    action: (id: string) => Promise<T>,
    show: (asked: Asked<T>) => void,
  ): Promise<void> {
    const { id } = this;
    if (id === null) return;
    show({ busy: true, value: null, error: null });
    try {
      const value = await action(id);
      if (this.id === id) show({ busy: false, value, error: null });
    } catch (cause) {
      if (this.id === id) show({ busy: false, value: null, error: toErrorInfo(cause) });
    }
  }
}
