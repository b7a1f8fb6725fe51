/** The backend as the desktop shell offers it: one command per method, one channel per stream. */
import { Channel, invoke, type InvokeArgs } from '@tauri-apps/api/core';
import { open } from '@tauri-apps/plugin-dialog';
import type { Backend } from '.';
import { toErrorInfo } from './errors';
import type { AppEvent, ChatEvent } from './types';

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

export const tauriBackend: Backend = {
  listConversations: (query) => call('list_conversations', { query }),
  getConversation: (id) => call('get_conversation', { id }),
  renameConversation: (id, title) => call('rename_conversation', { id, title }),
  deleteConversation: (id) => call('delete_conversation', { id }),
  pinConversation: (id, pinned) => call('pin_conversation', { id, pinned }),
  setContextLength: (id, contextLength) => call('set_context_length', { id, contextLength }),
  selectBranch: (conversationId, leafId) => call('select_branch', { conversationId, leafId }),

  sendMessage: (request, onEvent) =>
    call('send_message', { request, channel: channel<ChatEvent>(onEvent) }),
  regenerate: (messageId, model, onEvent) =>
    call('regenerate', { messageId, model, channel: channel<ChatEvent>(onEvent) }),
  editMessage: (messageId, content, model, onEvent) =>
    call('edit_message', { messageId, content, model, channel: channel<ChatEvent>(onEvent) }),
  stopMessage: (messageId) => call('stop_message', { messageId }),

  library: () => call('library'),
  catalogue: () => call('catalogue'),
  importModel: (path, copy) => call('import_model', { path, copy }),
  deleteModel: (id) => call('delete_model', { id }),
  downloads: () => call('downloads'),
  downloadModel: (request) => call('download_model', { request }),
  cancelDownload: (id) => call('cancel_download', { id }),
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

  getSettings: () => call('get_settings'),
  updateSettings: (patch) => call('update_settings', { patch }),
  getStatus: () => call('get_status'),
  subscribe: (onEvent) => call('subscribe', { channel: channel<AppEvent>(onEvent) }),

  openLink: (url) => call('open_link', { url }),
  chooseModelFile: async () => {
    try {
      return await open({
        title: 'Choose a model file',
        multiple: false,
        directory: false,
        filters: [{ name: 'GGUF models', extensions: ['gguf'] }],
      });
    } catch (cause) {
      throw toErrorInfo(cause);
    }
  },
};
