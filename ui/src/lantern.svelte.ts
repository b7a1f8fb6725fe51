/** The whole window: its controllers, what is on show, and the events that concern more than one of them. */
import { tick } from 'svelte';
import { toErrorInfo, type Backend } from './backend';
import type {
  AppStatus,
  ConversationView,
  DownloadRequest,
  ErrorInfo,
  FoundRepository,
  RemovedModel,
} from './backend/types';
import { Answering } from './answering.svelte';
import { takeEvent } from './events';
import { AssistantsController, type AssistantsTab } from './features/assistants/assistants.svelte';
import { AccessController } from './features/access/access.svelte';
import { ChatController } from './features/chat/chat.svelte';
import { CompareController } from './features/compare/compare.svelte';
import { ConversationsController } from './features/conversations/conversations.svelte';
import { takeShellEvent } from './features/desktop/shell';
import { DiskController } from './features/disk/disk.svelte';
import { DownloadsController } from './features/downloads/downloads.svelte';
import { FirstRunController } from './features/first-run/firstRun.svelte';
import { DetailsController } from './features/models/details.svelte';
import { KnowledgeController } from './features/knowledge/knowledge.svelte';
import { PromptsController } from './features/prompts/prompts.svelte';
import { ModelsController } from './features/models/models.svelte';
import { RemotesController } from './features/remotes/remotes.svelte';
import { RepositoryController } from './features/search/repository.svelte';
import { SearchController } from './features/search/search.svelte';
import { SETTINGS } from './features/settings/registry';
import { SettingsController } from './features/settings/settings.svelte';
import { ToolsController } from './features/tools/tools.svelte';

export type View = 'chat' | 'models' | 'assistants' | 'settings';

/** The pages about models. */
export type ModelsTab = 'library' | 'find' | 'downloads' | 'disk' | 'compare';

export interface Notice {
  id: number;
  info: ErrorInfo;
}

export class LanternApp {
  view = $state<View>('chat');
  modelsTab = $state<ModelsTab>('library');
  /** A model that was just deleted, as long as that is offered to be taken back. */
  justRemoved = $state.raw<RemovedModel | null>(null);
  /** What is being printed. */
  printing = $state.raw<ConversationView | null>(null);
  status = $state.raw<AppStatus | null>(null);
  notices = $state.raw<Notice[]>([]);
  ready = $state(false);
  /** A setting that was asked for by its name, until it is in view. */
  settingInView = $state<string | null>(null);
  /** Id of the conversation that this window is for, where it is for one alone. */
  readonly solo: string | null;
  /** Why the window could not start. */
  startError = $state.raw<ErrorInfo | null>(null);

  readonly backend: Backend;
  readonly conversations: ConversationsController;
  readonly chat: ChatController;
  readonly models: ModelsController;
  readonly details: DetailsController;
  readonly search: SearchController;
  readonly repository: RepositoryController;
  readonly downloads: DownloadsController;
  readonly disk: DiskController;
  readonly compare: CompareController;
  readonly settings: SettingsController;
  readonly firstRun: FirstRunController;
  readonly access: AccessController;
  readonly remotes: RemotesController;
  readonly knowledge: KnowledgeController;
  readonly tools: ToolsController;
  readonly assistants: AssistantsController;
  readonly prompts: PromptsController;
  readonly answering: Answering;
  #nextNotice = 0;

  constructor(
    backend: Backend,
    storage: Pick<Storage, 'getItem' | 'setItem'>,
    solo: string | null = null,
  ) {
    this.backend = backend;
    this.solo = solo;
    this.conversations = new ConversationsController(backend, (rows) => {
      const open = rows.find(({ conversation }) => conversation.id === this.chat.openId);
      if (open) void this.chat.follow(open.conversation);
    });
    this.models = new ModelsController(backend);
    this.details = new DetailsController(backend);
    this.search = new SearchController(backend);
    this.repository = new RepositoryController(backend);
    this.downloads = new DownloadsController(backend);
    this.disk = new DiskController(backend);
    this.compare = new CompareController(backend);
    this.settings = new SettingsController(backend);
    this.firstRun = new FirstRunController(backend, this.settings, this.conversations);
    this.access = new AccessController(backend);
    this.remotes = new RemotesController(backend);
    this.knowledge = new KnowledgeController(backend);
    this.tools = new ToolsController(backend);
    this.assistants = new AssistantsController(backend);
    this.prompts = new PromptsController(backend);
    this.chat = new ChatController(backend, {
      storage,
      onConversationsChanged: () => this.conversations.refreshSoon(),
    });
    this.answering = new Answering(this);
  }

  readonly endpoint = $derived(this.status?.endpoint ?? { running: false, url: null, error: null });

  send(content: string): void {
    this.answering.settle();
    this.chat.session.pickedTools = this.tools.own;
    this.chat.send(content);
    void this.firstRun.finish();
  }

  /** Listens first and reads second, so that nothing falls between. */
  async start(): Promise<void> {
    this.startError = null;
    try {
      await this.backend.subscribe((event) => takeEvent(this, event));
      const status = await this.backend.getStatus();
      this.status = status;
      this.models.state = status.model;
      for (const notice of status.notices) this.notify(notice);
      await Promise.all([
        this.settings.refresh(),
        this.models.refresh(),
        this.downloads.refresh(),
        this.conversations.refresh(),
      ]);
      // Servers may take their time; nobody waits for them.
      void this.remotes.refresh();
      void this.knowledge.refresh();
      void this.assistants.refresh();
      void this.prompts.refresh();
      this.startError = this.settings.error;
      if (this.solo !== null) await this.chat.open(this.solo);
    } catch (cause) {
      this.startError = toErrorInfo(cause);
    }
    this.ready = this.startError === null;
    if (this.ready && this.solo === null) {
      void this.backend.onShell((event) => takeShellEvent(this, event));
    }
  }

  notify(info: ErrorInfo): void {
    const known = this.notices.some(
      (notice) => notice.info.code === info.code && notice.info.message === info.message,
    );
    if (!known) this.notices = [...this.notices, { id: this.#nextNotice++, info }];
  }

  dismiss(id: number): void {
    this.notices = this.notices.filter((notice) => notice.id !== id);
  }

  /** Runs something the user asked for; a failure becomes a notice. */
  async attempt(action: () => Promise<unknown>): Promise<void> {
    try {
      await action();
    } catch (cause) {
      this.notify(toErrorInfo(cause));
    }
  }

  showModels(tab: ModelsTab): void {
    this.view = 'models';
    this.modelsTab = tab;
  }

  /** Where folders that are searched are added and removed. */
  showKnowledge(): void {
    this.view = 'settings';
    void tick().then(() => document.querySelector('#section-knowledge')?.scrollIntoView());
  }

  /** The page of a repository on the Hub. */
  showRepository(repo: string, about: FoundRepository | null = null): void {
    this.showModels('find');
    void this.repository.open(repo, about);
  }

  /** A setting, brought into view. */
  showSetting(id: string): void {
    this.view = 'settings';
    this.settingInView = id;
  }

  /** The page of a model that is here. */
  showModel(id: string): void {
    this.showModels('library');
    void this.details.open(id);
  }

  download(request: DownloadRequest): Promise<void> {
    return this.attempt(() => this.downloads.start(request));
  }

  /** Deletes a model; until it expires that can be taken back. */
  async removeModel(id: string): Promise<void> {
    await this.attempt(async () => {
      const removed = await this.models.remove(id);
      if (this.details.id === id) this.details.close();
      this.justRemoved = removed;
    });
  }

  async restoreModel(removal: string): Promise<void> {
    await this.attempt(async () => {
      await this.models.restore(removal);
      if (this.justRemoved?.id === removal) this.justRemoved = null;
    });
  }

  showAssistants(tab: AssistantsTab): void {
    this.view = 'assistants';
    this.assistants.tab = tab;
  }

  /** An empty conversation with this assistant. */
  chatWith(id: string): void {
    this.newChat();
    void this.answering.pickAssistant(id);
  }

  /** An empty conversation in which this model answers. */
  chatWithModel(id: string): void {
    this.newChat();
    this.answering.pickModel(id);
  }

  newChat(): void {
    this.view = 'chat';
    this.chat.startNew();
  }

  async openConversation(id: string, messageId: string | null = null): Promise<void> {
    this.view = 'chat';
    await this.chat.open(id, messageId);
  }

  /** Begins a chat that leaves no trace; leaving it closes it. */
  async newTemporaryChat(): Promise<void> {
    await this.attempt(async () => {
      const conversation = await this.backend.beginTemporaryChat();
      this.view = 'chat';
      this.chat.startTemporary(conversation);
    });
  }

  /** Shows the branch of a conversation to the system's print dialog. */
  async printConversation(id: string): Promise<void> {
    this.printing = await this.backend.getConversation(id);
  }

  async renameConversation(id: string, title: string): Promise<void> {
    await this.attempt(async () => {
      await this.conversations.rename(id, title);
      this.chat.renamed(id, title);
    });
  }

  async deleteConversation(id: string): Promise<void> {
    await this.attempt(async () => {
      await this.conversations.remove(id);
      this.chat.deleted(id);
    });
  }

  /** Sets how many tokens the open conversation may have; `null` leaves it to the settings. */
  async setContextLength(contextLength: number | null): Promise<void> {
    const { session } = this.chat;
    const id = session.conversation?.id;
    if (!id) return;
    await this.attempt(async () => {
      session.conversation = await this.backend.setContextLength(id, contextLength);
    });
  }

  makeDefault(id: string): void {
    const entry = SETTINGS.find((setting) => setting.id === 'defaultModel');
    if (entry) this.settings.set(entry, id);
  }
}
