/** Who answers next in the open conversation: the model and the assistant, and what follows when the user picks another. */
import type { Assistant } from './backend/types';
import type { LanternApp } from './lantern.svelte';

export class Answering {
  readonly #app: LanternApp;

  constructor(app: LanternApp) {
    this.#app = app;
  }

  get #session() {
    return this.#app.chat.session;
  }

  readonly assistant = $derived.by((): Assistant | null => {
    const { assistants } = this.#app;
    const current = this.#session.conversation === null ? null : assistants.current;
    // A conversation that has just begun has the one that was chosen for it.
    return current?.assistant ?? assistants.find(this.#session.assistantId);
  });

  /** Id of the model: one of a server only where the user chose it. */
  readonly model = $derived.by((): string | null => {
    const wanted = [
      this.#session.pickedModel,
      this.#session.conversation?.model,
      this.assistant?.setup.model,
      this.#app.settings.current?.defaultModel,
    ].find((id) => typeof id === 'string' && this.#answers(id));
    return wanted ?? this.#app.models.usable[0]?.id ?? null;
  });

  /** Whether a model of this name can be asked. A server that is away is told by the answer's failure. */
  #answers(id: string): boolean {
    const { models, remotes } = this.#app;
    return models.usable.some((model) => model.id === id) || remotes.owns(id);
  }

  /** Before a message is sent: a conversation whose model is no longer here goes on with the one that the picker shows. */
  settle(): void {
    const session = this.#session;
    const kept = session.conversation?.model ?? this.assistant?.setup.model ?? null;
    const gone = kept !== null && !this.#answers(kept);
    if (session.pickedModel === null && gone) session.pickedModel = this.model;
  }

  /** The user picked a model: it is brought into memory while they type. */
  pickModel(id: string): void {
    const { models, remotes } = this.#app;
    this.#session.pickedModel = id;
    const inMemory = models.stateOf(id);
    const here = !remotes.owns(id);
    if (here && !this.#session.busy && inMemory !== 'loaded' && inMemory !== 'loading') {
      void this.#load(id);
    }
  }

  async #load(id: string): Promise<void> {
    const { models } = this.#app;
    await models.load(id);
    const { state } = models;
    if (state.state === 'failed' && state.model === id) this.#app.notify(state.error);
  }

  /** The user chose an assistant, or none. What it says something of is chosen anew with it. */
  async pickAssistant(id: string | null): Promise<void> {
    const { assistants, tools } = this.#app;
    const session = this.#session;
    const setup = assistants.find(id)?.setup;
    if (setup?.model) session.pickedModel = null;
    const { conversation } = session;
    if (conversation === null) {
      session.assistantId = id;
      session.files.follow(setup?.folders ?? []);
      return;
    }
    await this.#app.attempt(async () => {
      await assistants.choose(conversation.id, id);
      session.assistantId = id;
      if (setup?.model && session.conversation) {
        session.conversation = { ...session.conversation, model: null };
      }
      await Promise.all([session.files.load(conversation.id), tools.show(conversation.id)]);
    });
  }
}
