/** The first steps: what this computer has, a model that suits it, the first chat. Shown once; everything works without. */
import { toErrorInfo, type Backend } from '../../backend';
import type { ErrorInfo, Machine } from '../../backend/types';
import type { ConversationsController } from '../conversations/conversations.svelte';
import type { SettingsController } from '../settings/settings.svelte';

export const STEPS = 3;

export class FirstRunController {
  step = $state(1);
  machine = $state.raw<Machine | null>(null);
  error = $state.raw<ErrorInfo | null>(null);
  /** Gone or skipped just now, whether or not that could be kept. */
  #over = $state(false);
  readonly #backend: Backend;
  readonly #settings: SettingsController;
  readonly #conversations: ConversationsController;

  constructor(
    backend: Backend,
    settings: SettingsController,
    conversations: ConversationsController,
  ) {
    this.#backend = backend;
    this.#settings = settings;
    this.#conversations = conversations;
  }

  /** Whoever has conversations has gone the first steps. */
  readonly isDue = $derived.by(
    () =>
      !this.#over &&
      this.#settings.current?.desktop.firstRunDone === false &&
      this.#conversations.loaded &&
      this.#conversations.rows.length === 0 &&
      !this.#conversations.searching,
  );

  async look(): Promise<void> {
    if (this.machine !== null) return;
    try {
      this.machine = await this.#backend.machine();
      this.error = null;
    } catch (cause) {
      this.error = toErrorInfo(cause);
    }
  }

  next(): void {
    if (this.step < STEPS) this.step += 1;
    else void this.finish();
  }

  back(): void {
    this.step = Math.max(1, this.step - 1);
  }

  /** Gone or skipped: never again. */
  async finish(): Promise<void> {
    if (this.#over || this.#settings.current?.desktop.firstRunDone !== false) return;
    this.#over = true;
    try {
      await this.#settings.patch({ desktop: { firstRunDone: true } });
    } catch {
      // It will be shown once more at the next start: no reason to bother anybody now.
    }
  }
}
