/** The assistants that there are, and the one of the conversation on show. */
import { failureOf, type Backend } from '../../backend';
import type {
  Assistant,
  AssistantSetup,
  ConversationAssistant,
  ErrorInfo,
  ImportedAssistant,
} from '../../backend/types';
import { BLANK } from '../../backend/assistants';

export type AssistantsTab = 'assistants' | 'prompts';

export class AssistantsController {
  all = $state.raw<Assistant[]>([]);
  tab = $state<AssistantsTab>('assistants');
  /** The assistant that is being written; without an id a new one. */
  editing = $state.raw<{ id: string | null; setup: AssistantSetup } | null>(null);
  error = $state.raw<ErrorInfo | null>(null);
  /** What came of the last import. */
  imported = $state.raw<ImportedAssistant | null>(null);
  /** The assistant of the conversation on show. */
  current = $state.raw<ConversationAssistant | null>(null);
  #conversation: string | null = null;
  readonly #backend: Backend;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  find(id: string | null): Assistant | null {
    return this.all.find((assistant) => assistant.id === id) ?? null;
  }

  async refresh(): Promise<boolean> {
    const read = await this.#attempt(async () => {
      this.all = await this.#backend.assistants();
    });
    await this.show(this.#conversation);
    return read;
  }

  /** This conversation is on show from now on. That its assistant cannot be read is no reason not to show it. */
  async show(conversationId: string | null): Promise<void> {
    if (this.#conversation !== conversationId) this.current = null;
    this.#conversation = conversationId;
    if (conversationId === null) return;
    try {
      const current = await this.#backend.conversationAssistant(conversationId);
      if (this.#conversation === conversationId) this.current = current;
    } catch {
      // It comes with the next look.
    }
  }

  /** Throws what the application says: whoever asked tells the user. */
  async choose(conversationId: string, id: string | null): Promise<void> {
    const current = await this.#backend.chooseAssistant(conversationId, id);
    if (this.#conversation === conversationId) this.current = current;
  }

  /** With which version of which assistant an answer of the conversation was written. */
  writtenWith(messageId: string): { name: string; version: number } | null {
    return this.current?.answers.find((answer) => answer.messageId === messageId) ?? null;
  }

  edit(assistant: Assistant | null): void {
    this.tab = 'assistants';
    this.error = null;
    this.editing = assistant
      ? { id: assistant.id, setup: assistant.setup }
      : { id: null, setup: BLANK };
  }

  async save(setup: AssistantSetup): Promise<void> {
    const id = this.editing?.id ?? null;
    const saved = await this.#attempt(() => this.#backend.saveAssistant(id, setup));
    if (!saved) return;
    this.editing = null;
    await this.refresh();
  }

  async duplicate(id: string): Promise<void> {
    if (await this.#attempt(() => this.#backend.duplicateAssistant(id))) await this.refresh();
  }

  async remove(id: string): Promise<void> {
    if (await this.#attempt(() => this.#backend.deleteAssistant(id))) await this.refresh();
  }

  exportOne({ id, setup }: Assistant): Promise<boolean> {
    return this.#attempt(async () => {
      const path = await this.#backend.chooseSavePath(fileName(setup.name), 'json');
      if (path !== null) await this.#backend.exportAssistant(id, path);
    });
  }

  async importOne(): Promise<void> {
    this.imported = null;
    const done = await this.#attempt(async () => {
      const path = await this.#backend.chooseAssistantFile();
      if (path !== null) this.imported = await this.#backend.importAssistant(path);
    });
    if (done) await this.refresh();
  }

  async #attempt(action: () => Promise<unknown>): Promise<boolean> {
    this.error = await failureOf(action);
    return this.error === null;
  }
}

/** A name that every system takes for a file. */
function fileName(name: string): string {
  const plain = name.replaceAll(/[\\/:*?"<>|\p{Cc}]/gu, ' ').replaceAll(/\s+/g, ' ');
  return plain.replace(/^[. ]+|[. ]+$/g, '') || 'assistant';
}
