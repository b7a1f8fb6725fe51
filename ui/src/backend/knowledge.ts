/** Files of messages, and folders that conversations search. */
import type {
  Attachment,
  ConversationFiles,
  DocumentPreview,
  FailedFile,
  KnowledgeStatus,
  OpenedCitation,
} from './types';

export interface KnowledgeBackend {
  /** Reads a file that is to go with a message; the application keeps a copy. */
  attachFile(path: string): Promise<Attachment>;
  /** The same for a file that is nowhere on the disk, such as a pasted picture; `content` is base64. */
  attachBytes(name: string, content: string): Promise<Attachment>;
  /** Asks the user for files; empty when they thought better of it. */
  chooseFiles(): Promise<string[]>;
  /** Whether a model sees pictures. */
  modelSees(id: string): Promise<boolean>;
  /** What a conversation's messages and answers have of files. */
  conversationFiles(id: string): Promise<ConversationFiles>;
  /** Has a conversation search these folders and no others. */
  setConversationFolders(id: string, folders: string[]): Promise<void>;
  documentPreview(document: string): Promise<DocumentPreview>;
  /** What an answer cites by a number. */
  citation(messageId: string, number: number): Promise<OpenedCitation>;
  /** A small picture as a data URL. */
  thumbnail(document: string): Promise<string>;
  knowledge(): Promise<KnowledgeStatus>;
  addKnowledgeFolder(path: string): Promise<void>;
  removeKnowledgeFolder(id: string): Promise<void>;
  failedFiles(folder: string): Promise<FailedFile[]>;
}

type Call = <T>(command: string, args?: Record<string, unknown>) => Promise<T>;

/** As the desktop shell offers it. */
export function knowledgeOf(call: Call, chooseFiles: () => Promise<string[]>): KnowledgeBackend {
  return {
    attachFile: (path) => call('attach_file', { path }),
    attachBytes: (name, content) => call('attach_bytes', { name, content }),
    chooseFiles,
    modelSees: (id) => call('model_sees', { id }),
    conversationFiles: (id) => call('conversation_files', { id }),
    setConversationFolders: (id, folders) => call('set_conversation_folders', { id, folders }),
    documentPreview: (document) => call('document_preview', { document }),
    citation: (messageId, number) => call('citation', { messageId, number }),
    thumbnail: (document) => call('thumbnail', { document }),
    knowledge: () => call('knowledge'),
    addKnowledgeFolder: (path) => call('add_knowledge_folder', { path }),
    removeKnowledgeFolder: (id) => call('remove_knowledge_folder', { id }),
    failedFiles: (folder) => call('failed_files', { id: folder }),
  };
}

/** For tests: nothing is attached and nothing is searched. */
export function fakeKnowledge(): KnowledgeBackend {
  const attachment = (name: string): Attachment => ({
    document: name,
    name,
    kind: /\.png$/i.test(name) ? 'image' : 'text',
    bytes: 10,
    characters: 10,
    passages: 1,
  });
  return {
    attachFile: (path) => Promise.resolve(attachment(path.split('/').at(-1) ?? path)),
    attachBytes: (name) => Promise.resolve(attachment(name)),
    chooseFiles: () => Promise.resolve([]),
    modelSees: () => Promise.resolve(false),
    conversationFiles: () => Promise.resolve({ attachments: [], sources: [], folders: [] }),
    setConversationFolders: () => Promise.resolve(),
    documentPreview: () =>
      Promise.resolve({
        kind: 'text',
        text: 'Words.',
        highlight: null,
        isPart: false,
        picture: null,
      }),
    citation: () => Promise.reject(new Error('citation was not expected')),
    thumbnail: () => Promise.resolve('data:image/png;base64,'),
    knowledge: () =>
      Promise.resolve({ folders: [], embeddingModel: null, embeddingModels: [], error: null }),
    addKnowledgeFolder: () => Promise.resolve(),
    removeKnowledgeFolder: () => Promise.resolve(),
    failedFiles: () => Promise.resolve([]),
  };
}
