/** The backend as the desktop shell offers it: one command per method, one channel per stream. */
import { Channel, convertFileSrc, invoke, type InvokeArgs } from '@tauri-apps/api/core';
import { listen } from '@tauri-apps/api/event';
import { open, save, type OpenDialogOptions } from '@tauri-apps/plugin-dialog';
import type { Backend } from '.';
import { toErrorInfo } from './errors';
import { assistantsOf } from './assistants';
import { knowledgeOf } from './knowledge';
import { overflowOf } from './overflow';
import { receiptsOf } from './receipts';
import type { AppEvent, ChatEvent, CompareEvent, ShellEvent } from './types';
import { t } from '../shared/i18n';

async function call<T>(command: string, args?: InvokeArgs): Promise<T> {
  try {
    return await invoke<T>(command, args);
  } catch (cause) {
    throw toErrorInfo(cause);
  }
}

function channel<T>(onEvent: (event: T) => void): Channel<T> {
  const made = new Channel<T>();
  made.onmessage = onEvent;
  return made;
}

async function choose(options: OpenDialogOptions): Promise<string | null> {
  try {
    return await open({ ...options, multiple: false });
  } catch (cause) {
    throw toErrorInfo(cause);
  }
}

async function chooseFiles(): Promise<string[]> {
  try {
    return (await open({ title: t('desktop.choose.files'), multiple: true })) ?? [];
  } catch (cause) {
    throw toErrorInfo(cause);
  }
}

function chooseAssistantFile(): Promise<string | null> {
  const filters = [{ name: t('assistants.title'), extensions: ['json'] }];
  return choose({ title: t('assistants.import'), directory: false, filters });
}

export const tauriBackend: Backend = {
  ...knowledgeOf(call, chooseFiles),
  ...overflowOf(call),
  ...assistantsOf(call, chooseAssistantFile),
  ...receiptsOf(call, channel),
  sandboxAddress: () => convertFileSrc('', 'artifact'),

  listConversations: (query) => call('list_conversations', { query }),
  getConversation: (id) => call('get_conversation', { id }),
  openConversation: (id) => call('open_conversation', { id }),
  messagesAfter: (id, after) => call('messages_after', { id, after }),
  renameConversation: (id, title) => call('rename_conversation', { id, title }),
  deleteConversation: (id) => call('delete_conversation', { id }),
  pinConversation: (id, pinned) => call('pin_conversation', { id, pinned }),
  setContextLength: (id, contextLength) => call('set_context_length', { id, contextLength }),
  selectBranch: (conversationId, leafId) => call('select_branch', { conversationId, leafId }),
  findMessages: (query) => call('find_messages', { query }),

  folders: () => call('folders'),
  createFolder: (name) => call('create_folder', { name }),
  renameFolder: (id, name) => call('rename_folder', { id, name }),
  deleteFolder: (id) => call('delete_folder', { id }),
  moveConversation: (id, folder) => call('move_conversation', { id, folder }),
  archiveConversation: (id, archived) => call('archive_conversation', { id, archived }),
  beginTemporaryChat: () => call('begin_temporary_chat'),
  exportConversations: (ids, format, path) => call('export_conversations', { ids, format, path }),
  importConversations: (paths) => call('import_conversations', { paths }),

  sendMessage: (request, onEvent, sentWith) =>
    call('send_message', { request, with: sentWith, channel: channel<ChatEvent>(onEvent) }),
  regenerate: (messageId, model, onEvent) =>
    call('regenerate', { messageId, model, channel: channel<ChatEvent>(onEvent) }),
  editMessage: (messageId, content, model, onEvent) =>
    call('edit_message', { messageId, content, model, channel: channel<ChatEvent>(onEvent) }),
  continueAnswer: (messageId, onEvent) =>
    call('continue_answer', { messageId, channel: channel<ChatEvent>(onEvent) }),
  stopMessage: (messageId) => call('stop_message', { messageId }),

  library: () => call('library'),
  catalogue: () => call('catalogue'),
  importModel: (path, copy) => call('import_model', { path, copy }),
  deleteModel: (id) => call('delete_model', { id }),
  removedModels: () => call('removed_models'),
  restoreModel: (removal) => call('restore_model', { which: removal }),
  modelDetails: (id) => call('model_details', { id }),
  templateDiff: (id) => call('template_diff', { id }),
  setModelNotes: (id, notes) => call('set_model_notes', { id, notes }),
  verifyModel: (id) => call('verify_model', { id }),
  checkUpdates: (ids) => call('check_updates', { ids }),

  diskUse: () => call('disk_use'),
  reclaim: (kind) => call('reclaim', { kind }),
  libraryFolders: () => call('library_folders'),
  addLibraryFolder: (path) => call('add_library_folder', { path }),
  removeLibraryFolder: (path) => call('remove_library_folder', { path }),

  searchModels: (query) => call('search_models', { query }),
  curatedModels: () => call('curated_models'),
  repository: (repo) => call('repository', { repo }),
  repositoryFit: (repo) => call('repository_fit', { repo, context: null }),

  downloads: () => call('downloads'),
  downloadModel: (request) => call('download_model', { request }),
  pauseDownload: (id) => call('pause_download', { id }),
  resumeDownload: (id) => call('resume_download', { id }),
  cancelDownload: (id) => call('cancel_download', { id }),
  moveDownload: (id, place) => call('move_download', { id, place }),

  compareModels: (request, onEvent) =>
    call('compare_models', { request, channel: channel<CompareEvent>(onEvent) }),
  stopComparing: () => call('stop_comparing'),

  loadModel: (id) => call('load_model', { id }),
  unloadModel: () => call('unload_model'),

  apiKeys: () => call('api_keys'),
  makeApiKey: (key) => call('make_api_key', { key }),
  revokeApiKey: (id) => call('revoke_api_key', { id }),
  apiRequests: () => call('api_requests'),

  remoteServers: (ask) => call('remote_servers', { ask }),
  addRemoteServer: (server) => call('add_remote_server', { server }),
  removeRemoteServer: (name) => call('remove_remote_server', { name }),
  secretsStatus: () => call('secrets_status'),
  setHubToken: (token) => call('set_hub_token', { token }),

  toolServers: () => call('tool_servers'),
  addToolServer: (server) => call('add_tool_server', { server }),
  removeToolServer: (name) => call('remove_tool_server', { name }),
  enableToolServer: (name, enabled) => call('enable_tool_server', { name, enabled }),
  restartToolServer: (name) => call('restart_tool_server', { name }),
  signInToolServer: (name) => call('sign_in_tool_server', { name }),
  signOutToolServer: (name) => call('sign_out_tool_server', { name }),
  askBeforeTool: (server, tool) => call('ask_before_tool', { server, tool }),
  chosenTools: (conversationId) => call('chosen_tools', { conversationId }),
  chooseTools: (conversationId, chosen) => call('choose_tools', { conversationId, chosen }),
  toolCalls: (conversationId) => call('tool_calls', { conversationId }),
  answerToolCall: (id, consent) => call('answer_tool_call', { id, consent }),
  continueCalls: (messageId, onEvent) =>
    call('continue_calls', { messageId, channel: channel<ChatEvent>(onEvent) }),

  getSettings: () => call('get_settings'),
  updateSettings: (patch) => call('update_settings', { patch }),
  getStatus: () => call('get_status'),
  subscribe: (onEvent) => call('subscribe', { channel: channel<AppEvent>(onEvent) }),

  pageReady: () => call('page_ready'),
  onShell: (onEvent) => call('shell_events', { channel: channel<ShellEvent>(onEvent) }),
  desktopStatus: () => call('desktop_status'),
  machine: () => call('machine'),
  openChatWindow: (conversationId) => call('open_chat_window', { conversationId }),
  showInMain: (conversationId) => call('show_in_main', { conversationId }),
  quickShow: () => call('quick_show'),
  quickHide: () => call('quick_hide'),
  quickExpand: (large) => call('quick_expand', { large }),

  openLink: (url) => call('open_link', { url }),
  chooseModelFile: () =>
    choose({
      title: t('desktop.choose.model'),
      directory: false,
      filters: [{ name: t('desktop.choose.gguf'), extensions: ['gguf'] }],
    }),
  chooseFolder: () => choose({ title: t('desktop.choose.folder'), directory: true }),
  chooseExports: async () => {
    try {
      const filters = [{ name: t('conversations.label'), extensions: ['json', 'jsonl', 'zip'] }];
      const title = t('desktop.choose.exports');
      return (await open({ title, multiple: true, directory: false, filters })) ?? [];
    } catch (cause) {
      throw toErrorInfo(cause);
    }
  },
  chooseSavePath: async (name, extension) => {
    try {
      const filters = [{ name: extension.toUpperCase(), extensions: [extension] }];
      return await save({ defaultPath: `${name}.${extension}`, filters });
    } catch (cause) {
      throw toErrorInfo(cause);
    }
  },
  onFileDrop: async (onDrop) => {
    await listen<{ paths: string[] }>('tauri://drag-enter', () => onDrop({ kind: 'over' }));
    await listen('tauri://drag-leave', () => onDrop({ kind: 'leave' }));
    await listen<{ paths: string[] }>('tauri://drag-drop', ({ payload }) =>
      onDrop({ kind: 'drop', paths: payload.paths }),
    );
  },
};
