/** Searching the Hub for models, and the models that are recommended without asking it. */
import { toErrorInfo, type Backend } from '../../backend';
import type {
  CuratedModel,
  ErrorInfo,
  FoundRepository,
  ModelCapability,
  SearchQuery,
  SearchSort,
} from '../../backend/types';

/** Ranges of weights to choose from. */
export const SIZES = {
  any: { min: null, max: null },
  tiny: { min: null, max: 2e9 },
  small: { min: 2e9, max: 5e9 },
  medium: { min: 5e9, max: 15e9 },
  large: { min: 15e9, max: 40e9 },
  huge: { min: 40e9, max: null },
} as const;
export type Size = keyof typeof SIZES;

export interface Filters {
  text: string;
  author: string;
  family: string;
  size: Size;
  quant: string;
  capabilities: ModelCapability[];
  sort: SearchSort;
}

const NOTHING: Filters = {
  text: '',
  author: '',
  family: '',
  size: 'any',
  quant: '',
  capabilities: [],
  sort: 'trending',
};

/** What the backend is asked for. */
export function queryOf(filters: Filters, next: string | null): SearchQuery {
  const { min, max } = SIZES[filters.size];
  const said = (text: string) => text.trim() || null;
  return {
    text: filters.text.trim(),
    author: said(filters.author),
    family: said(filters.family),
    minParameters: min,
    maxParameters: max,
    quant: said(filters.quant),
    capabilities: filters.capabilities,
    sort: filters.sort,
    limit: null,
    next,
  };
}

export class SearchController {
  filters = $state<Filters>({ ...NOTHING });
  found = $state.raw<FoundRepository[]>([]);
  /** Where the next page begins; `null` when all was shown. */
  next = $state.raw<string | null>(null);
  lookedAt = $state(0);
  /** What was chosen by here, because the Hub cannot. */
  chosenHere = $state.raw<string[]>([]);
  busy = $state(false);
  /** Whether what is shown was searched for. */
  searched = $state(false);
  error = $state.raw<ErrorInfo | null>(null);
  curated = $state.raw<CuratedModel[] | null>(null);
  curatedError = $state.raw<ErrorInfo | null>(null);
  /** A file that a link proposes to fetch. */
  proposed = $state.raw<{ repo: string; file: string } | null>(null);
  readonly #backend: Backend;
  /** Counts searches: an answer to an earlier one is nobody's any more. */
  #turn = 0;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  async search(): Promise<void> {
    this.searched = true;
    this.found = [];
    this.next = null;
    this.lookedAt = 0;
    await this.#page(null);
  }

  async more(): Promise<void> {
    if (this.next !== null && !this.busy) await this.#page(this.next);
  }

  /** After a choice among what was found; before the first search a choice only waits for it. */
  async changed(): Promise<void> {
    if (this.searched) await this.search();
  }

  toggle(capability: ModelCapability): void {
    const { capabilities } = this.filters;
    this.filters.capabilities = capabilities.includes(capability)
      ? capabilities.filter((one) => one !== capability)
      : [...capabilities, capability];
    void this.changed();
  }

  /** Back to what is recommended. */
  clear(): void {
    this.#turn += 1;
    this.filters = { ...NOTHING };
    this.found = [];
    this.searched = false;
    this.busy = false;
    this.error = null;
  }

  /** Fills in what a link proposes. Nothing is asked or fetched before the user does it. */
  propose(repo: string, file: string | null): void {
    this.clear();
    this.filters.text = repo;
    this.proposed = { repo, file: file ?? '' };
  }

  async loadCurated(): Promise<void> {
    try {
      this.curated = await this.#backend.curatedModels();
      this.curatedError = null;
    } catch (cause) {
      this.curatedError = toErrorInfo(cause);
    }
  }

  async #page(next: string | null): Promise<void> {
    const turn = (this.#turn += 1);
    this.busy = true;
    this.error = null;
    try {
      const page = await this.#backend.searchModels(queryOf(this.filters, next));
      if (turn !== this.#turn) return;
      const before = this.found;
      const isNew = (repo: string) => !before.some((found) => found.repo === repo);
      this.found = [...before, ...page.repositories.filter(({ repo }) => isNew(repo))];
      this.next = page.next;
      this.lookedAt += page.lookedAt;
      this.chosenHere = page.chosenHere;
    } catch (cause) {
      if (turn === this.#turn) this.error = toErrorInfo(cause);
    } finally {
      if (turn === this.#turn) this.busy = false;
    }
  }
}
