/** A repository of the Hub that is looked at: what it holds, and which of its files run here. */
import { toErrorInfo, type Backend } from '../../backend';
import type {
  ErrorInfo,
  FileFit,
  FoundRepository,
  LibraryModel,
  Repository,
  RepositoryFit,
} from '../../backend/types';

export class RepositoryController {
  /** `owner/name` of the one on show. */
  repo = $state.raw<string | null>(null);
  /** What a search said of it, until more is known. */
  about = $state.raw<FoundRepository | null>(null);
  repository = $state.raw<Repository | null>(null);
  fit = $state.raw<RepositoryFit | null>(null);
  error = $state.raw<ErrorInfo | null>(null);
  fitError = $state.raw<ErrorInfo | null>(null);
  readonly #backend: Backend;
  #turn = 0;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  async open(repo: string, about: FoundRepository | null = null): Promise<void> {
    const turn = (this.#turn += 1);
    this.repo = repo;
    this.about = about;
    this.repository = null;
    this.fit = null;
    this.error = null;
    this.fitError = null;
    try {
      const repository = await this.#backend.repository(repo);
      if (turn !== this.#turn) return;
      this.repository = repository;
      this.about = repository.about;
    } catch (cause) {
      if (turn === this.#turn) this.error = toErrorInfo(cause);
      return;
    }
    await this.#readFit(repo, turn);
  }

  /** Tries again what failed. */
  async retry(): Promise<void> {
    if (this.repo === null) return;
    if (this.repository === null) await this.open(this.repo, this.about);
    else await this.#readFit(this.repo, this.#turn);
  }

  close(): void {
    this.#turn += 1;
    this.repo = null;
  }

  fitOf(file: string): FileFit | undefined {
    return this.fit?.files.find((one) => one.file === file);
  }

  async #readFit(repo: string, turn: number): Promise<void> {
    this.fitError = null;
    try {
      const fit = await this.#backend.repositoryFit(repo);
      if (turn === this.#turn) this.fit = fit;
    } catch (cause) {
      if (turn === this.#turn) this.fitError = toErrorInfo(cause);
    }
  }
}

/** Library id of this file of this repository, if it is here. */
export function installedId(
  library: LibraryModel[],
  repo: string | null,
  file: string,
): string | null {
  const name = file.split('/').at(-1);
  const isHere = (path: string) => path.split(/[\\/]/).at(-1) === name;
  const found = library.find((model) =>
    model.places.some((place) => place.repo === repo && isHere(place.path)),
  );
  return found?.id ?? null;
}
