/**
 * What the window can ask of the application. Everything outside this folder speaks to this interface,
 * never to the shell; tests put a fake in its place.
 *
 * Every promise rejects with an `ErrorInfo`, whatever went wrong underneath.
 */
import type {
  ApiKey,
  ApiRequest,
  AppEvent,
  AppStatus,
  CatalogueEntry,
  ChatEvent,
  Conversation,
  ConversationSummary,
  ConversationView,
  DownloadProgress,
  DownloadRequest,
  IssuedKey,
  LibraryModel,
  ModelState,
  NewApiKey,
  NewRemoteServer,
  RemoteServer,
  SecretsStatus,
  SendMessage,
  Settings,
  SettingsPatch,
} from './types';

export interface Backend {
  /** All conversations, latest first; with a query, those that match, with the matching passage. */
  listConversations(query: string | null): Promise<ConversationSummary[]>;
  getConversation(id: string): Promise<ConversationView>;
  renameConversation(id: string, title: string): Promise<void>;
  deleteConversation(id: string): Promise<void>;
  /** What was computed of a pinned conversation is kept longest. */
  pinConversation(id: string, pinned: boolean): Promise<void>;
  /** Tokens the conversation may have; `null` leaves it to the settings. */
  setContextLength(id: string, contextLength: number | null): Promise<Conversation>;
  /** Shows the branch that ends at `leafId`. */
  selectBranch(conversationId: string, leafId: string): Promise<void>;

  /** The answer arrives through `onEvent`; the promise only says that the request was taken. */
  sendMessage(request: SendMessage, onEvent: (event: ChatEvent) => void): Promise<void>;
  /** Writes another answer beside this one; without a model, the conversation's writes it. */
  regenerate(
    messageId: string,
    model: string | null,
    onEvent: (event: ChatEvent) => void,
  ): Promise<void>;
  /** Puts another wording beside this message of the person, and answers it. */
  editMessage(
    messageId: string,
    content: string,
    model: string | null,
    onEvent: (event: ChatEvent) => void,
  ): Promise<void>;
  stopMessage(messageId: string): Promise<void>;

  library(): Promise<LibraryModel[]>;
  catalogue(): Promise<CatalogueEntry[]>;
  importModel(path: string, copy: boolean): Promise<void>;
  deleteModel(id: string): Promise<void>;
  downloads(): Promise<DownloadProgress[]>;
  /** Starts or resumes. */
  downloadModel(request: DownloadRequest): Promise<void>;
  cancelDownload(id: string): Promise<void>;
  /** Resolves once the model is in memory. */
  loadModel(id: string): Promise<ModelState>;
  unloadModel(): Promise<void>;

  apiKeys(): Promise<ApiKey[]>;
  /** The secret is in the answer and nowhere else. */
  makeApiKey(key: NewApiKey): Promise<IssuedKey>;
  revokeApiKey(id: string): Promise<void>;
  /** The last requests to the endpoint, the latest first. */
  apiRequests(): Promise<ApiRequest[]>;

  /** Servers the user added; with `ask`, each is asked first how it does. */
  remoteServers(ask: boolean): Promise<RemoteServer[]>;
  addRemoteServer(server: NewRemoteServer): Promise<void>;
  removeRemoteServer(name: string): Promise<void>;
  secretsStatus(): Promise<SecretsStatus>;
  /** An empty token forgets the one that is kept. */
  setHubToken(token: string): Promise<SecretsStatus>;

  getSettings(): Promise<Settings>;
  /** All settings after the change. */
  updateSettings(patch: SettingsPatch): Promise<Settings>;
  getStatus(): Promise<AppStatus>;
  subscribe(onEvent: (event: AppEvent) => void): Promise<void>;

  /** Opens an http(s) address in the system's browser. */
  openLink(url: string): Promise<void>;
  /** Asks the user for a model file; `null` when they thought better of it. */
  chooseModelFile(): Promise<string | null>;
}

export { tauriBackend } from './tauri';
export { toErrorInfo } from './errors';
