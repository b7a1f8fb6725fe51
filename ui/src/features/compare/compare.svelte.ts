/** Two model files held against each other on this machine. */
import { toErrorInfo, type Backend } from '../../backend';
import type {
  CompareProgress,
  CompareText,
  Comparison,
  ErrorInfo,
  LibraryModel,
} from '../../backend/types';
import { t } from '../../shared/i18n';

/** Messages of the user's that are read when they want their own. */
const LAST_PROMPTS = 20;
export type TextKind = CompareText['kind'];

export class CompareController {
  a = $state<string>('');
  b = $state<string>('');
  kind = $state<TextKind>('built_in');
  given = $state('');
  running = $state(false);
  progress = $state.raw<CompareProgress | null>(null);
  result = $state.raw<Comparison | null>(null);
  error = $state.raw<ErrorInfo | null>(null);
  readonly #backend: Backend;
  #turn = 0;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  readonly ready = $derived(
    this.a !== '' &&
      this.b !== '' &&
      this.a !== this.b &&
      (this.kind !== 'given' || this.given.trim() !== ''),
  );

  /** Why it cannot begin yet, in words. */
  readonly obstacle = $derived.by(() => {
    if (this.a === '' || this.b === '') return t('compare.obstacles.two');
    if (this.a === this.b) return t('compare.obstacles.different');
    return this.ready ? '' : t('compare.obstacles.text');
  });

  /** Chooses two files of the same model, if there are such, and nobody has chosen yet. */
  suggest(models: LibraryModel[]): void {
    if (this.a !== '' || this.b !== '') return;
    for (const [index, one] of models.entries()) {
      const other = models.slice(index + 1).find((model) => isSameModel(one, model));
      if (other === undefined) continue;
      // The larger one is what the other is held against.
      const [a, b] = one.sizeBytes >= other.sizeBytes ? [one, other] : [other, one];
      [this.a, this.b] = [a.id, b.id];
      return;
    }
  }

  async start(): Promise<void> {
    if (!this.ready || this.running) return;
    const turn = (this.#turn += 1);
    this.running = true;
    this.progress = null;
    this.result = null;
    this.error = null;
    const ended = (error: ErrorInfo | null) => {
      this.running = false;
      this.error = error;
    };
    try {
      const request = { a: this.a, b: this.b, text: this.#text(), seconds: null };
      await this.#backend.compareModels(request, (event) => {
        if (turn !== this.#turn) return;
        if (event.type === 'progress') this.progress = event.progress;
        else if (event.type === 'done') {
          this.result = event.comparison;
          ended(null);
        } else ended(event.error);
      });
    } catch (cause) {
      if (turn === this.#turn) ended(toErrorInfo(cause));
    }
  }

  async stop(): Promise<void> {
    this.#turn += 1;
    this.running = false;
    this.progress = null;
    try {
      await this.#backend.stopComparing();
    } catch (cause) {
      this.error = toErrorInfo(cause);
    }
  }

  #text(): CompareText {
    switch (this.kind) {
      case 'built_in':
        return { kind: 'built_in' };
      case 'last_prompts':
        return { kind: 'last_prompts', count: LAST_PROMPTS };
      case 'given':
        return { kind: 'given', text: this.given };
    }
  }
}

/** Quantisations of one model have as many weights and the same architecture. */
function isSameModel(one: LibraryModel, other: LibraryModel): boolean {
  return (
    one.error === null &&
    other.error === null &&
    one.architecture === other.architecture &&
    one.parameters !== null &&
    one.parameters === other.parameters
  );
}
