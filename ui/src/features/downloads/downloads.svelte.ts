/** Files on their way from the Hub, in the order in which they are fetched. */
import { SvelteSet } from 'svelte/reactivity';
import { failureOf, type Backend } from '../../backend';
import type {
  DownloadProgress,
  DownloadRequest,
  DownloadState,
  ErrorInfo,
} from '../../backend/types';

/** Downloads that go on by themselves. */
const UNDER_WAY = new Set<DownloadState>(['queued', 'running', 'retrying', 'verifying']);
/** Downloads that have a place in the queue. */
const IN_QUEUE = new Set<DownloadState>([...UNDER_WAY, 'paused']);

/** A download that ran without a byte for so long, in milliseconds, is waiting: its last rate says nothing any more. */
export const STALLED_AFTER = 5000;

export function isUnderWay(download: DownloadProgress): boolean {
  return UNDER_WAY.has(download.state);
}

export function isInQueue(download: DownloadProgress): boolean {
  return IN_QUEUE.has(download.state);
}

export class DownloadsController {
  list = $state.raw<DownloadProgress[]>([]);
  error = $state.raw<ErrorInfo | null>(null);
  /** Ids of those that run while nothing arrives. */
  readonly stalled = new SvelteSet<string>();
  readonly #backend: Backend;
  /** For each that runs, what marks it as stalled. */
  readonly #waits: Record<string, ReturnType<typeof setTimeout>> = {};

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  readonly queue = $derived(this.list.filter(isInQueue));
  readonly ended = $derived(this.list.filter((download) => !isInQueue(download)));
  readonly underWay = $derived(this.list.filter(isUnderWay));

  /** Of everything that is under way: bytes a second, and how long it takes like this. */
  readonly total = $derived.by(() => {
    const moving = this.underWay.filter(({ id }) => !this.stalled.has(id));
    const rate = moving.reduce((sum, download) => sum + download.bytesPerSecond, 0);
    const known = this.underWay.every(({ totalBytes }) => totalBytes !== null);
    const rest = this.underWay.reduce(
      (sum, { totalBytes, receivedBytes }) => sum + (totalBytes ?? 0) - receivedBytes,
      0,
    );
    return { rate, rest, seconds: known && rate > 0 ? rest / rate : null };
  });

  of(request: Pick<DownloadRequest, 'repo' | 'file'>): DownloadProgress | undefined {
    return this.list.findLast(
      (download) =>
        download.request.repo === request.repo && download.request.file === request.file,
    );
  }

  async refresh(): Promise<void> {
    await this.#attempt(() => Promise.resolve());
  }

  /** A later snapshot of a download. */
  progress(progress: DownloadProgress): void {
    const index = this.list.findIndex(({ id }) => id === progress.id);
    this.#show(index < 0 ? [...this.list, progress] : this.list.with(index, progress));
  }

  /** A refusal is the caller's to show. */
  async start(request: DownloadRequest): Promise<void> {
    await this.#backend.downloadModel(request);
    this.#show(await this.#backend.downloads());
  }

  pause(id: string): Promise<void> {
    return this.#attempt(() => this.#backend.pauseDownload(id));
  }

  resume(id: string): Promise<void> {
    return this.#attempt(() => this.#backend.resumeDownload(id));
  }

  cancel(id: string): Promise<void> {
    return this.#attempt(() => this.#backend.cancelDownload(id));
  }

  pauseAll(): Promise<void> {
    const all = this.underWay.map(({ id }) => this.#backend.pauseDownload(id));
    return this.#attempt(() => Promise.all(all));
  }

  resumeAll(): Promise<void> {
    const paused = this.list.filter(({ state }) => state === 'paused');
    return this.#attempt(() =>
      Promise.all(paused.map(({ id }) => this.#backend.resumeDownload(id))),
    );
  }

  /** One place nearer to the front (-1) or to the end (1). */
  move(id: string, by: -1 | 1): Promise<void> {
    const place = this.queue.findIndex((download) => download.id === id) + by;
    if (place < 0 || place >= this.queue.length) return Promise.resolve();
    return this.#attempt(() => this.#backend.moveDownload(id, place));
  }

  async #attempt(action: () => Promise<unknown>): Promise<void> {
    this.error = await failureOf(async () => {
      await action();
      this.#show(await this.#backend.downloads());
    });
  }

  #show(list: DownloadProgress[]): void {
    const before = this.list;
    this.list = list;
    for (const download of list) {
      const known = before.find(({ id }) => id === download.id);
      const isNews =
        known?.state !== download.state || known.receivedBytes !== download.receivedBytes;
      if (isNews) this.#waitFor(download);
    }
  }

  /** Waits anew for bytes. */
  #waitFor({ id, state }: DownloadProgress): void {
    clearTimeout(this.#waits[id]);
    this.stalled.delete(id);
    if (state !== 'running') return;
    this.#waits[id] = setTimeout(() => this.stalled.add(id), STALLED_AFTER);
  }
}
