/** Models on this machine, models to fetch, downloads on their way, and the one that is in memory. */
import { toErrorInfo, type Backend } from '../../backend';
import type {
  CatalogueEntry,
  DownloadProgress,
  DownloadRequest,
  ErrorInfo,
  LibraryModel,
  ModelState,
} from '../../backend/types';

/** Downloads that can still be cancelled. */
const UNDER_WAY = new Set(['queued', 'running', 'retrying', 'verifying']);

export function isUnderWay(download: DownloadProgress): boolean {
  return UNDER_WAY.has(download.state);
}

export class ModelsController {
  library = $state.raw<LibraryModel[]>([]);
  catalogue = $state.raw<CatalogueEntry[]>([]);
  downloads = $state.raw<DownloadProgress[]>([]);
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

  downloadOf(request: Pick<DownloadRequest, 'repo' | 'file'>): DownloadProgress | undefined {
    return this.downloads.findLast(
      (download) =>
        download.request.repo === request.repo && download.request.file === request.file,
    );
  }

  async refresh(): Promise<void> {
    try {
      const [library, catalogue, downloads] = await Promise.all([
        this.#backend.library(),
        this.#backend.catalogue(),
        this.#backend.downloads(),
      ]);
      this.library = library;
      this.catalogue = catalogue;
      this.downloads = downloads;
      this.error = null;
    } catch (cause) {
      this.error = toErrorInfo(cause);
    } finally {
      this.loaded = true;
    }
  }

  /** A later snapshot of a download. */
  progress(progress: DownloadProgress): void {
    const index = this.downloads.findIndex(({ id }) => id === progress.id);
    this.downloads =
      index < 0 ? [...this.downloads, progress] : this.downloads.with(index, progress);
    if (progress.state === 'done') void this.refresh();
  }

  async download(request: DownloadRequest): Promise<void> {
    await this.#backend.downloadModel(request);
    this.downloads = await this.#backend.downloads();
  }

  async cancel(id: string): Promise<void> {
    await this.#backend.cancelDownload(id);
    this.downloads = await this.#backend.downloads();
  }

  async importFile(path: string, copy: boolean): Promise<void> {
    await this.#backend.importModel(path, copy);
    await this.refresh();
  }

  chooseFile(): Promise<string | null> {
    return this.#backend.chooseModelFile();
  }

  async remove(id: string): Promise<void> {
    await this.#backend.deleteModel(id);
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
