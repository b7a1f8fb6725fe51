/**
 * A backend for tests that does nothing by itself: each method can be replaced, and the events of an answer are
 * sent by hand.
 */
import type { Backend } from '.';
import { fakeAssistants } from './assistants';
import { fakeKnowledge } from './knowledge';
import { fakeOverflow } from './overflow';
import { fakeReceipts } from './receipts';
import type { ChatEvent, Conversation, Message } from './types';

export function fakeConversation(extra: Partial<Conversation> = {}): Conversation {
  return {
    id: 'c1',
    title: 'Talk',
    model: null,
    systemPrompt: null,
    contextLength: null,
    pinned: false,
    leafId: null,
    createdAt: 1,
    updatedAt: 1,
    folderId: null,
    archived: false,
    temporary: false,
    ...extra,
  };
}

export function fakeMessage(extra: Partial<Message> = {}): Message {
  return {
    id: 'm1',
    conversationId: 'c1',
    parentId: null,
    role: 'user',
    content: 'Hello',
    status: 'complete',
    model: null,
    error: null,
    stats: null,
    createdAt: 1,
    ...extra,
  };
}

/** A request for an answer that the test plays the model for. */
export interface FakeAnswer {
  method: 'send' | 'regenerate' | 'edit' | 'continue' | 'continueCalls';
  args: unknown;
  emit: (event: ChatEvent) => void;
  refuse: (error: unknown) => void;
}

export interface FakeBackend extends Backend {
  /** Answers that were asked for, oldest first. */
  answers: FakeAnswer[];
  stopped: string[];
}

export function fakeBackend(overrides: Partial<Backend> = {}): FakeBackend {
  const answers: FakeAnswer[] = [];
  const stopped: string[] = [];
  const ask = (
    method: FakeAnswer['method'],
    args: unknown,
    emit: (event: ChatEvent) => void,
  ): Promise<void> =>
    new Promise((_resolve, refuse) => {
      answers.push({ method, args, emit, refuse });
    });
  const unexpected = (name: string) => () => Promise.reject(new Error(`${name} was not expected`));
  const backend: FakeBackend = {
    ...fakeKnowledge(),
    ...fakeOverflow(),
    ...fakeAssistants(),
    ...fakeReceipts(),
    answers,
    stopped,
    sandboxAddress: () => 'about:blank',
    listConversations: () => Promise.resolve([]),
    getConversation: unexpected('getConversation'),
    openConversation: async (id) => ({ view: await backend.getConversation(id), whole: true }),
    messagesAfter: () => Promise.resolve([]),
    renameConversation: () => Promise.resolve(),
    deleteConversation: () => Promise.resolve(),
    pinConversation: () => Promise.resolve(),
    setContextLength: (id, contextLength) =>
      Promise.resolve(fakeConversation({ id, contextLength })),
    selectBranch: () => Promise.resolve(),
    findMessages: () => Promise.resolve({ hits: [], messages: 0, more: false }),
    folders: () => Promise.resolve([]),
    createFolder: (name) => Promise.resolve({ id: 'f1', name, createdAt: 1 }),
    renameFolder: () => Promise.resolve(),
    deleteFolder: () => Promise.resolve(),
    moveConversation: () => Promise.resolve(),
    archiveConversation: () => Promise.resolve(),
    beginTemporaryChat: () =>
      Promise.resolve(fakeConversation({ id: 'temporary-1', title: '', temporary: true })),
    exportConversations: () => Promise.resolve(1),
    importConversations: () => Promise.resolve({ files: [] }),
    sendMessage: (request, emit, sentWith) =>
      ask('send', sentWith ? { ...request, ...sentWith } : request, emit),
    regenerate: (messageId, model, emit) => ask('regenerate', { messageId, model }, emit),
    editMessage: (messageId, content, model, emit) =>
      ask('edit', { messageId, content, model }, emit),
    continueAnswer: (messageId, emit) => ask('continue', { messageId }, emit),
    stopMessage: (id) => {
      stopped.push(id);
      return Promise.resolve();
    },
    library: () => Promise.resolve([]),
    catalogue: () => Promise.resolve([]),
    importModel: () => Promise.resolve(),
    deleteModel: unexpected('deleteModel'),
    removedModels: () => Promise.resolve([]),
    restoreModel: () => Promise.resolve(),
    modelDetails: unexpected('modelDetails'),
    templateDiff: unexpected('templateDiff'),
    setModelNotes: (_id, notes) => Promise.resolve(notes),
    verifyModel: () => Promise.resolve([]),
    checkUpdates: () => Promise.resolve([]),
    diskUse: unexpected('diskUse'),
    reclaim: () => Promise.resolve(0),
    libraryFolders: () => Promise.resolve([]),
    addLibraryFolder: () => Promise.resolve(),
    removeLibraryFolder: () => Promise.resolve(),
    searchModels: unexpected('searchModels'),
    curatedModels: () => Promise.resolve([]),
    repository: unexpected('repository'),
    repositoryFit: unexpected('repositoryFit'),
    downloads: () => Promise.resolve([]),
    downloadModel: () => Promise.resolve(),
    pauseDownload: () => Promise.resolve(),
    resumeDownload: () => Promise.resolve(),
    cancelDownload: () => Promise.resolve(),
    moveDownload: () => Promise.resolve(),
    compareModels: () => Promise.resolve(),
    stopComparing: () => Promise.resolve(),
    loadModel: (model) =>
      Promise.resolve({ state: 'loaded', model, contextLength: 8192, memoryBytes: 1 }),
    unloadModel: () => Promise.resolve(),
    apiKeys: () => Promise.resolve([]),
    makeApiKey: unexpected('makeApiKey'),
    revokeApiKey: () => Promise.resolve(),
    apiRequests: () => Promise.resolve([]),
    remoteServers: () => Promise.resolve([]),
    addRemoteServer: () => Promise.resolve(),
    removeRemoteServer: () => Promise.resolve(),
    secretsStatus: () => Promise.resolve({ secretStorage: 'file', hubToken: 'none' }),
    setHubToken: unexpected('setHubToken'),
    toolServers: () => Promise.resolve([]),
    addToolServer: () => Promise.resolve(),
    removeToolServer: () => Promise.resolve(),
    enableToolServer: () => Promise.resolve(),
    restartToolServer: () => Promise.resolve(),
    signInToolServer: () => Promise.resolve(),
    signOutToolServer: () => Promise.resolve(),
    askBeforeTool: () => Promise.resolve(),
    chosenTools: () => Promise.resolve({ tools: [], required: false }),
    chooseTools: () => Promise.resolve(),
    toolCalls: () => Promise.resolve([]),
    answerToolCall: () => Promise.resolve(),
    continueCalls: (messageId, emit) => ask('continueCalls', { messageId }, emit),
    getSettings: unexpected('getSettings'),
    updateSettings: unexpected('updateSettings'),
    getStatus: unexpected('getStatus'),
    subscribe: () => Promise.resolve(),
    pageReady: () => Promise.resolve(),
    onShell: () => Promise.resolve(),
    desktopStatus: () => Promise.resolve({ noTray: null, noShortcut: null }),
    machine: unexpected('machine'),
    openChatWindow: () => Promise.resolve(),
    showInMain: () => Promise.resolve(),
    quickShow: () => Promise.resolve(),
    quickHide: () => Promise.resolve(),
    quickExpand: () => Promise.resolve(),
    openLink: () => Promise.resolve(),
    chooseModelFile: () => Promise.resolve(null),
    chooseFolder: () => Promise.resolve(null),
    chooseExports: () => Promise.resolve([]),
    chooseSavePath: () => Promise.resolve(null),
    onFileDrop: () => Promise.resolve(),
    ...overrides,
  };
  return backend;
}
