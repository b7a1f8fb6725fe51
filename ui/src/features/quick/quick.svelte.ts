/** A question without leaving what one does: one answer at a time, in a conversation that can go on in the main window. */
import { toErrorInfo, type Backend } from '../../backend';
import type { AppEvent, ErrorInfo, Settings } from '../../backend/types';
import { ChatSession } from '../chat/session.svelte';

export class QuickController {
  session: ChatSession;
  settings = $state.raw<Settings | null>(null);
  error = $state.raw<ErrorInfo | null>(null);
  /** Whether a model is here that could answer. */
  canAnswer = $state(true);
  readonly backend: Backend;

  constructor(backend: Backend) {
    this.backend = backend;
    this.session = $state.raw(new ChatSession(backend));
  }

  readonly conversationId = $derived.by(() => this.session.conversation?.id ?? null);
  /** Whether there is something below the question. */
  readonly isLarge = $derived.by(() => !this.session.isEmpty || this.error !== null);

  async start(): Promise<void> {
    try {
      await this.backend.subscribe((event) => this.#take(event));
      this.settings = await this.backend.getSettings();
      await this.#look();
    } catch (cause) {
      this.error = toErrorInfo(cause);
    }
  }

  /** Asks in the conversation that is on show, or in a new one. */
  ask(text: string): void {
    const question = text.trim();
    if (question === '' || this.session.busy) return;
    this.error = null;
    this.session.send(question);
  }

  /** Begins anew; what was asked stays among the conversations. */
  clear(): void {
    if (!this.session.busy) this.session.dispose();
    this.session = new ChatSession(this.backend);
    this.error = null;
  }

  async hide(): Promise<void> {
    await this.#attempt(() => this.backend.quickHide());
  }

  /** Goes on in the main window. */
  async open(): Promise<void> {
    const id = this.conversationId;
    if (id === null) return;
    await this.#attempt(async () => {
      await this.backend.showInMain(id);
      this.clear();
    });
  }

  async #look(): Promise<void> {
    const here = (await this.backend.library()).some((model) => model.error === null);
    this.canAnswer = here || typeof this.settings?.defaultModel === 'string';
  }

  async #attempt(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (cause) {
      this.error = toErrorInfo(cause);
    }
  }

  #take(event: AppEvent): void {
    if (event.type === 'settings_changed') this.settings = event.settings;
    else if (event.type === 'library_changed') void this.#attempt(() => this.#look());
  }
}
