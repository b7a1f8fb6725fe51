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
  ChosenTools,
  CompareEvent,
  CompareRequest,
  Conversation,
  ConversationSummary,
  ConversationView,
  CuratedModel,
  DesktopStatus,
  DiskUse,
  DownloadProgress,
  DownloadRequest,
  ExportFormat,
  FileCheck,
  FindQuery,
  Folder,
  Found,
  ImportReport,
  IssuedKey,
  LibraryFolder,
  LibraryModel,
  Machine,
  Message,
  ModelDetails,
  ModelNotes,
  ModelState,
  ModelUpdate,
  NewApiKey,
  NewRemoteServer,
  NewToolServer,
  Opening,
  ReclaimKind,
  RemoteServer,
  RemovedModel,
  Repository,
  RepositoryFit,
  SearchPage,
  SearchQuery,
  SecretsStatus,
  SendMessage,
  SentWith,
  Settings,
  SettingsPatch,
  ShellEvent,
  TemplateDiff,
  ToolCall,
  ToolConsent,
  ToolServerInfo,
} from './types';
import type { AssistantsBackend } from './assistants';
import type { KnowledgeBackend } from './knowledge';
import type { OverflowBackend } from './overflow';
import type { ReceiptsBackend } from './receipts';

/** Files over the window: `over` while they are held, `drop` with their paths, `leave` when they went away. */
export type FileDrop = { kind: 'over' | 'leave' } | { kind: 'drop'; paths: string[] };

export interface Backend
  extends KnowledgeBackend, OverflowBackend, AssistantsBackend, ReceiptsBackend {
  /** Where the document of frames for strangers' code is. */
  sandboxAddress(): string;

  /** All conversations, latest first; with a query, those that match, with the matching passage. */
  listConversations(query: string | null): Promise<ConversationSummary[]>;
  getConversation(id: string): Promise<ConversationView>;
  /** What is shown first of a conversation; of a long one that is only its end. */
  openConversation(id: string): Promise<Opening>;
  /** The messages of all branches behind this one, or from the first: a piece of them, empty where none are left. */
  messagesAfter(id: string, after: string | null): Promise<Message[]>;
  renameConversation(id: string, title: string): Promise<void>;
  deleteConversation(id: string): Promise<void>;
  /** What was computed of a pinned conversation is kept longest. */
  pinConversation(id: string, pinned: boolean): Promise<void>;
  /** Tokens the conversation may have; `null` leaves it to the settings. */
  setContextLength(id: string, contextLength: number | null): Promise<Conversation>;
  /** Shows the branch that ends at `leafId`. */
  selectBranch(conversationId: string, leafId: string): Promise<void>;
  /** Messages and titles that match, with the matching passage. */
  findMessages(query: FindQuery): Promise<Found>;

  folders(): Promise<Folder[]>;
  /** A folder of this name; the one that is there, if there is one. */
  createFolder(name: string): Promise<Folder>;
  renameFolder(id: string, name: string): Promise<void>;
  /** Its conversations lie in no folder from then on. */
  deleteFolder(id: string): Promise<void>;
  moveConversation(id: string, folder: string | null): Promise<void>;
  archiveConversation(id: string, archived: boolean): Promise<void>;
  /** A chat that leaves no trace; deleting it closes it. */
  beginTemporaryChat(): Promise<Conversation>;
  /** Gives how many were written; without ids all are. */
  exportConversations(ids: string[] | null, format: ExportFormat, path: string): Promise<number>;
  importConversations(paths: string[]): Promise<ImportReport>;

  /** The answer arrives through `onEvent`; the promise only says that the request was taken. */
  sendMessage(
    request: SendMessage,
    onEvent: (event: ChatEvent) => void,
    sentWith?: SentWith,
  ): Promise<void>;
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
  /** Goes on with an answer that was cut: another one beside it begins with its words. */
  continueAnswer(messageId: string, onEvent: (event: ChatEvent) => void): Promise<void>;
  stopMessage(messageId: string): Promise<void>;

  library(): Promise<LibraryModel[]>;
  catalogue(): Promise<CatalogueEntry[]>;
  importModel(path: string, copy: boolean): Promise<void>;
  /** It can be taken back until it expires. */
  deleteModel(id: string): Promise<RemovedModel>;
  removedModels(): Promise<RemovedModel[]>;
  restoreModel(removal: string): Promise<void>;
  modelDetails(id: string): Promise<ModelDetails>;
  /** How its template differs from that of the repository it was made from; asks the Hub. */
  templateDiff(id: string): Promise<TemplateDiff>;
  setModelNotes(id: string, notes: ModelNotes): Promise<ModelNotes>;
  /** Reads all bytes of a model and says whether they are the right ones. */
  verifyModel(id: string): Promise<FileCheck[]>;
  /** Asks the Hub for newer revisions of these models, or of all that came from there. */
  checkUpdates(ids: string[] | null): Promise<ModelUpdate[]>;

  diskUse(): Promise<DiskUse>;
  /** Deletes everything of this kind for good; gives the bytes that became free. */
  reclaim(kind: ReclaimKind): Promise<number>;
  libraryFolders(): Promise<LibraryFolder[]>;
  addLibraryFolder(path: string): Promise<void>;
  removeLibraryFolder(path: string): Promise<void>;

  searchModels(query: SearchQuery): Promise<SearchPage>;
  /** Recommended models with what they would take of this machine; needs no network. */
  curatedModels(): Promise<CuratedModel[]>;
  repository(repo: string): Promise<Repository>;
  /** Reads the headers of a repository's files from the Hub. */
  repositoryFit(repo: string): Promise<RepositoryFit>;

  /** In the order in which they are fetched. */
  downloads(): Promise<DownloadProgress[]>;
  /** Starts or resumes. */
  downloadModel(request: DownloadRequest): Promise<void>;
  pauseDownload(id: string): Promise<void>;
  resumeDownload(id: string): Promise<void>;
  cancelDownload(id: string): Promise<void>;
  /** Puts a download at this place of the queue, counted from 0. */
  moveDownload(id: string, place: number): Promise<void>;

  /** What happens arrives through `onEvent`; the promise only says that the request was taken. */
  compareModels(request: CompareRequest, onEvent: (event: CompareEvent) => void): Promise<void>;
  stopComparing(): Promise<void>;

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

  /** Lantern's own tools and all servers; those that are switched on are started. */
  toolServers(): Promise<ToolServerInfo[]>;
  /** Adds a server and starts it: the user has seen what that runs. */
  addToolServer(server: NewToolServer): Promise<void>;
  removeToolServer(name: string): Promise<void>;
  enableToolServer(name: string, enabled: boolean): Promise<void>;
  restartToolServer(name: string): Promise<void>;
  /** Opens the page to sign in on, and waits until that is done. */
  signInToolServer(name: string): Promise<void>;
  signOutToolServer(name: string): Promise<void>;
  /** Takes back that a tool, or all of a server, may run without asking. */
  askBeforeTool(server: string, tool: string | null): Promise<void>;
  /** The tools of a conversation; without one, those with which new ones begin. */
  chosenTools(conversationId: string | null): Promise<ChosenTools>;
  chooseTools(conversationId: string | null, chosen: ChosenTools): Promise<void>;
  /** The calls of all branches of a conversation. */
  toolCalls(conversationId: string): Promise<ToolCall[]>;
  answerToolCall(id: string, consent: ToolConsent): Promise<void>;
  /** Goes on behind calls that nothing came after. */
  continueCalls(messageId: string, onEvent: (event: ChatEvent) => void): Promise<void>;

  getSettings(): Promise<Settings>;
  /** All settings after the change. */
  updateSettings(patch: SettingsPatch): Promise<Settings>;
  getStatus(): Promise<AppStatus>;
  subscribe(onEvent: (event: AppEvent) => void): Promise<void>;

  /** The page can be used: says so, once. */
  pageReady(): Promise<void>;
  /** Takes what the tray, a link or another start of Lantern asks of the main window. */
  onShell(onEvent: (event: ShellEvent) => void): Promise<void>;
  desktopStatus(): Promise<DesktopStatus>;
  /** What this computer has for running models. */
  machine(): Promise<Machine>;
  /** Shows a conversation in a window of its own. */
  openChatWindow(conversationId: string): Promise<void>;
  /** Goes on with a conversation in the main window. */
  showInMain(conversationId: string): Promise<void>;
  quickShow(): Promise<void>;
  quickHide(): Promise<void>;
  /** Makes room for an answer in the window for quick questions, or takes it back. */
  quickExpand(large: boolean): Promise<void>;

  /** Opens an http(s) address in the system's browser. */
  openLink(url: string): Promise<void>;
  /** Asks the user for a model file; `null` when they thought better of it. */
  chooseModelFile(): Promise<string | null>;
  /** Asks the user for a folder; `null` when they thought better of it. */
  chooseFolder(): Promise<string | null>;
  /** Asks the user for exports of conversations; empty when they thought better of it. */
  chooseExports(): Promise<string[]>;
  /** Asks the user where a file is to be written; `null` when they thought better of it. */
  chooseSavePath(name: string, extension: string): Promise<string | null>;
  /** Tells of files that are held over the window or dropped on it. */
  onFileDrop(onDrop: (drop: FileDrop) => void): Promise<void>;
}

export { tauriBackend } from './tauri';
export { windowKind, type WindowKind } from './window';
export { failureOf, toErrorInfo } from './errors';
