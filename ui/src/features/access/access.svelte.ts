/** Programs that use the endpoint: their keys, and what they asked last. Read while they are on show. */
import { failureOf, type Backend } from '../../backend';
import type { ApiKey, ApiRequest, ErrorInfo, IssuedKey, NewApiKey } from '../../backend/types';

export class AccessController {
  keys = $state.raw<ApiKey[]>([]);
  requests = $state.raw<ApiRequest[]>([]);
  /** A key that was just made, as long as its secret is on show. */
  issued = $state.raw<IssuedKey | null>(null);
  error = $state.raw<ErrorInfo | null>(null);
  isShown = false;
  readonly #backend: Backend;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  async refresh(): Promise<void> {
    await this.#attempt(async () => {
      [this.keys, this.requests] = await Promise.all([
        this.#backend.apiKeys(),
        this.#backend.apiRequests(),
      ]);
    });
  }

  /** Whether it was made. */
  async make(key: NewApiKey): Promise<boolean> {
    const made = await this.#attempt(async () => {
      this.issued = await this.#backend.makeApiKey(key);
    });
    if (made) await this.refresh();
    return made;
  }

  async revoke(id: string): Promise<void> {
    if (await this.#attempt(() => this.#backend.revokeApiKey(id))) await this.refresh();
  }

  /** The secret was copied; from now on nobody can read it. */
  forgetSecret(): void {
    this.issued = null;
  }

  async #attempt(action: () => Promise<unknown>): Promise<boolean> {
    this.error = await failureOf(action);
    return this.error === null;
  }
}
