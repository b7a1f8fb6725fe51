/** What models take of the disk, what of it can be had back, what was deleted, and where models are looked for. */
import { failureOf, type Backend } from '../../backend';
import type {
  DiskUse,
  ErrorInfo,
  LibraryFolder,
  ReclaimKind,
  RemovedModel,
} from '../../backend/types';

export class DiskController {
  use = $state.raw<DiskUse | null>(null);
  removed = $state.raw<RemovedModel[]>([]);
  folders = $state.raw<LibraryFolder[]>([]);
  /** Bytes that the last reclaiming freed. */
  freed = $state.raw<number | null>(null);
  busy = $state(false);
  error = $state.raw<ErrorInfo | null>(null);
  readonly #backend: Backend;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  async refresh(): Promise<void> {
    await this.#attempt(() => Promise.resolve());
  }

  reclaim(kinds: ReclaimKind[]): Promise<void> {
    return this.#attempt(async () => {
      let freed = 0;
      for (const kind of kinds) freed += await this.#backend.reclaim(kind);
      this.freed = freed;
    });
  }

  restore(removal: string): Promise<void> {
    return this.#attempt(() => this.#backend.restoreModel(removal));
  }

  /** The user is asked for a folder, unless they thought better of it. */
  chooseFolder(): Promise<void> {
    return this.#attempt(async () => {
      const path = await this.#backend.chooseFolder();
      if (path !== null) await this.#backend.addLibraryFolder(path);
    });
  }

  useFolder(path: string, used: boolean): Promise<void> {
    return this.#attempt(() =>
      used ? this.#backend.addLibraryFolder(path) : this.#backend.removeLibraryFolder(path),
    );
  }

  async #attempt(action: () => Promise<unknown>): Promise<void> {
    this.busy = true;
    this.error = await failureOf(async () => {
      await action();
      [this.use, this.removed, this.folders] = await Promise.all([
        this.#backend.diskUse(),
        this.#backend.removedModels(),
        this.#backend.libraryFolders(),
      ]);
    });
    this.busy = false;
  }
}
