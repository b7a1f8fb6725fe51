/** Assistants and the library of prompts. */
import type {
  Assistant,
  AssistantSetup,
  ConversationAssistant,
  ImportedAssistant,
  SavedPrompt,
} from './types';

export interface AssistantsBackend {
  assistants(): Promise<Assistant[]>;
  /** Changes an assistant, or makes one without an id. */
  saveAssistant(id: string | null, setup: AssistantSetup): Promise<Assistant>;
  duplicateAssistant(id: string): Promise<Assistant>;
  deleteAssistant(id: string): Promise<void>;
  exportAssistant(id: string, path: string): Promise<void>;
  importAssistant(path: string): Promise<ImportedAssistant>;
  /** Gives a conversation an assistant, or none, from the next answer on. */
  chooseAssistant(
    conversationId: string,
    assistant: string | null,
  ): Promise<ConversationAssistant | null>;
  /** The assistant of a conversation, and which answers were written with one. */
  conversationAssistant(conversationId: string): Promise<ConversationAssistant | null>;
  /** Asks the user for a file; `null` when they thought better of it. */
  chooseAssistantFile(): Promise<string | null>;
  prompts(): Promise<SavedPrompt[]>;
  /** Changes a prompt, or makes one without an id. */
  savePrompt(id: string | null, name: string, text: string): Promise<SavedPrompt>;
  deletePrompt(id: string): Promise<void>;
}

type Call = <T>(command: string, args?: Record<string, unknown>) => Promise<T>;

/** As the desktop shell offers it. */
export function assistantsOf(call: Call, choose: () => Promise<string | null>): AssistantsBackend {
  return {
    assistants: () => call('assistants'),
    saveAssistant: (id, setup) => call('save_assistant', { id, setup }),
    duplicateAssistant: (id) => call('duplicate_assistant', { id }),
    deleteAssistant: (id) => call('delete_assistant', { id }),
    exportAssistant: (id, path) => call('export_assistant', { id, path }),
    importAssistant: (path) => call('import_assistant', { path }),
    chooseAssistant: (conversationId, assistant) =>
      call('choose_assistant', { conversationId, assistant }),
    conversationAssistant: (conversationId) => call('conversation_assistant', { conversationId }),
    chooseAssistantFile: choose,
    prompts: () => call('prompts'),
    savePrompt: (id, name, text) => call('save_prompt', { id, name, text }),
    deletePrompt: (id) => call('delete_prompt', { id }),
  };
}

/** An assistant that says nothing yet. */
export const BLANK: AssistantSetup = {
  name: '',
  mark: '',
  colour: 'amber',
  description: '',
  systemPrompt: null,
  model: null,
  sampling: {},
  tools: null,
  unasked: [],
  folders: [],
  starters: [],
};

export function fakeAssistant(id: string, extra: Partial<AssistantSetup> = {}): Assistant {
  const setup: AssistantSetup = {
    ...BLANK,
    name: id,
    ...extra,
  };
  return { id, version: 1, setup, createdAt: 1, updatedAt: 1 };
}

/** For tests: there are none. */
export function fakeAssistants(): AssistantsBackend {
  const unexpected = (name: string) => () => Promise.reject(new Error(`${name} was not expected`));
  return {
    assistants: () => Promise.resolve([]),
    saveAssistant: unexpected('saveAssistant'),
    duplicateAssistant: unexpected('duplicateAssistant'),
    deleteAssistant: () => Promise.resolve(),
    exportAssistant: () => Promise.resolve(),
    importAssistant: unexpected('importAssistant'),
    chooseAssistant: () => Promise.resolve(null),
    conversationAssistant: () => Promise.resolve(null),
    chooseAssistantFile: () => Promise.resolve(null),
    prompts: () => Promise.resolve([]),
    savePrompt: unexpected('savePrompt'),
    deletePrompt: () => Promise.resolve(),
  };
}
