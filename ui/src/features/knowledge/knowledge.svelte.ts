/** The folders that conversations can search, and the model that makes vectors of what is in them. */
import { toErrorInfo, type Backend } from '../../backend';
import type { ErrorInfo, FailedFile, KnowledgeStatus } from '../../backend/types';

export class KnowledgeController {
  status = $state.raw<KnowledgeStatus | null>(null);
  error = $state.raw<ErrorInfo | null>(null);
  /** Files that could not be read of the folder whose list is open. */
  failed = $state.raw<{ folder: string; files: FailedFile[] } | null>(null);
  readonly #backend: Backend;
  #again = false;
  #asking = false;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  readonly folders = $derived(this.status?.folders ?? []);

  /** Asks once at a time; what happens meanwhile is asked for behind it. */
  async refresh(): Promise<void> {
    this.#again = true;
    if (this.#asking) return;
    this.#asking = true;
    while (this.#again) {
      this.#again = false;
      try {
        this.status = await this.#backend.knowledge();
        this.error = null;
      } catch (cause) {
        this.error = toErrorInfo(cause);
      }
    }
    this.#asking = false;
  }

  async add(path: string): Promise<void> {
    await this.#attempt(() => this.#backend.addKnowledgeFolder(path));
  }

  async remove(id: string): Promise<void> {
    if (this.failed?.folder === id) this.failed = null;
    await this.#attempt(() => this.#backend.removeKnowledgeFolder(id));
  }

  /** `null` takes the first model that can, `none` makes no vectors. */
  async useModel(model: string | null): Promise<void> {
    await this.#attempt(() => this.#backend.updateSettings({ embeddingModel: model ?? '' }));
  }

  /** Opens or closes the list of a folder's files that could not be read. */
  async showFailed(folder: string): Promise<void> {
    if (this.failed?.folder === folder) {
      this.failed = null;
      return;
    }
    await this.#attempt(async () => {
      this.failed = { folder, files: await this.#backend.failedFiles(folder) };
    });
  }

  async #attempt(action: () => Promise<unknown>): Promise<void> {
    try {
      await action();
      await this.refresh();
    } catch (cause) {
      this.error = toErrorInfo(cause);
    }
  }
}
