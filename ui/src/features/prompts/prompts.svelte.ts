/** The library of prompts. */
import { failureOf, type Backend } from '../../backend';
import type { ErrorInfo, SavedPrompt } from '../../backend/types';

export class PromptsController {
  all = $state.raw<SavedPrompt[]>([]);
  /** The prompt that is being written; without an id a new one. */
  editing = $state.raw<{ id: string | null; name: string; text: string } | null>(null);
  error = $state.raw<ErrorInfo | null>(null);
  readonly #backend: Backend;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  refresh(): Promise<boolean> {
    return this.#attempt(async () => {
      this.all = await this.#backend.prompts();
    });
  }

  edit(prompt: SavedPrompt | null): void {
    this.error = null;
    this.editing = prompt ?? { id: null, name: '', text: '' };
  }

  async save(name: string, text: string): Promise<void> {
    const id = this.editing?.id ?? null;
    const saved = await this.#attempt(() => this.#backend.savePrompt(id, name, text));
    if (!saved) return;
    this.editing = null;
    await this.refresh();
  }

  async remove(id: string): Promise<void> {
    if (await this.#attempt(() => this.#backend.deletePrompt(id))) await this.refresh();
  }

  async #attempt(action: () => Promise<unknown>): Promise<boolean> {
    this.error = await failureOf(action);
    return this.error === null;
  }
}
