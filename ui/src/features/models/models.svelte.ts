/** Models on this machine, those that are recommended, and the one that is in memory. */
import { toErrorInfo, type Backend } from '../../backend';
import type {
  CatalogueEntry,
  ErrorInfo,
  LibraryModel,
  ModelState,
  RemovedModel,
} from '../../backend/types';

export class ModelsController {
  library = $state.raw<LibraryModel[]>([]);
  catalogue = $state.raw<CatalogueEntry[]>([]);
  state = $state.raw<ModelState>({ state: 'unloaded' });
  loaded = $state(false);
  error = $state.raw<ErrorInfo | null>(null);

  readonly #backend: Backend;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  readonly usable = $derived(this.library.filter((model) => model.error === null));
  /** The small model that a new user is offered first. */
  readonly starter = $derived(this.catalogue[0] ?? null);

  find(id: string | null): LibraryModel | undefined {
    return id === null ? undefined : this.library.find((model) => model.id === id);
  }

  /** Whether this model is in memory, on its way there, or could not get there. */
  stateOf(id: string): ModelState['state'] {
    return this.state.state !== 'unloaded' && this.state.model === id
      ? this.state.state
      : 'unloaded';
  }

  loadErrorOf(id: string): ErrorInfo | null {
    return this.state.state === 'failed' && this.state.model === id ? this.state.error : null;
  }

  async refresh(): Promise<void> {
    try {
      const [library, catalogue] = await Promise.all([
        this.#backend.library(),
        this.#backend.catalogue(),
      ]);
      this.library = library;
      this.catalogue = catalogue;
      this.error = null;
    } catch (cause) {
      this.error = toErrorInfo(cause);
    } finally {
      this.loaded = true;
    }
  }

  async importFile(path: string, copy: boolean): Promise<void> {
    await this.#backend.importModel(path, copy);
    await this.refresh();
  }

  chooseFile(): Promise<string | null> {
    return this.#backend.chooseModelFile();
  }

  /** What was removed, for taking it back. */
  async remove(id: string): Promise<RemovedModel> {
    const removed = await this.#backend.deleteModel(id);
    await this.refresh();
    return removed;
  }

  async restore(removal: string): Promise<void> {
    await this.#backend.restoreModel(removal);
    await this.refresh();
  }

  /** Brings the model into memory ahead of its first use. A failure shows in `state`. */
  async load(id: string): Promise<void> {
    this.state = { state: 'loading', model: id };
    try {
      this.state = await this.#backend.loadModel(id);
    } catch (cause) {
      this.state = { state: 'failed', model: id, error: toErrorInfo(cause) };
    }
  }

  async unload(): Promise<void> {
    await this.#backend.unloadModel();
  }
}
