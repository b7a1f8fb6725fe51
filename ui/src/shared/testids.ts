/**
 * The stable names (`data-testid`) that end-to-end tests hold on to. Text and classes may change; these may not.
 *
 * Besides the name, some elements carry their state in data attributes:
 * - `app-shell`: `data-ready="true"` once the first data has arrived
 * - `message-user`, `message-assistant`: `data-message-id`, `data-status` (a `MessageStatus`)
 * - `markdown` (inside an assistant message): the rendered answer, without thinking and without buttons' labels
 * - `conversation-row`: `data-conversation-id`, `aria-current="page"` on its button when open
 * - `model-picker`: `data-model` (the library id that will answer), `data-state` (a `ModelState` tag)
 * - `conversation-pin`: `aria-pressed`
 * - `model-option`, `model-card`: `data-model`
 * - `catalogue-card`, `download`: `data-download-id`, `data-state` (a `DownloadState`, or `available` / `installed`)
 * - `error-card`: `data-code`
 * - `endpoint-dot`, `endpoint-status`: `data-state` = `on` | `off` | `error`
 * - `setting`: `data-setting` (registry id such as `sampling.temperature`); the control inside is `setting-control`
 */
export const TESTID = {
  appShell: 'app-shell',
  // sidebar
  sidebar: 'sidebar',
  sidebarToggle: 'sidebar-toggle',
  newChat: 'new-chat',
  search: 'search',
  conversationList: 'conversation-list',
  conversationRow: 'conversation-row',
  conversationOpen: 'conversation-open',
  conversationRename: 'conversation-rename',
  conversationRenameInput: 'conversation-rename-input',
  conversationPin: 'conversation-pin',
  conversationDelete: 'conversation-delete',
  conversationSnippet: 'conversation-snippet',
  navModels: 'nav-models',
  navSettings: 'nav-settings',
  endpointDot: 'endpoint-dot',
  // chat
  chatView: 'chat-view',
  chatTitle: 'chat-title',
  contextLength: 'context-length',
  contextLengthInput: 'context-length-input',
  welcome: 'welcome',
  emptyChat: 'empty-chat',
  modelPicker: 'model-picker',
  modelPickerMenu: 'model-picker-menu',
  modelOption: 'model-option',
  getMoreModels: 'get-more-models',
  messageList: 'message-list',
  messageUser: 'message-user',
  messageAssistant: 'message-assistant',
  markdown: 'markdown',
  thinking: 'thinking',
  thinkingToggle: 'thinking-toggle',
  messageStats: 'message-stats',
  messageNote: 'message-note',
  messageDropped: 'message-dropped',
  messageSummarised: 'message-summarised',
  summary: 'summary',
  messageCopy: 'message-copy',
  messageRegenerate: 'message-regenerate',
  messageEdit: 'message-edit',
  messageEditInput: 'message-edit-input',
  messageEditSave: 'message-edit-save',
  messageEditCancel: 'message-edit-cancel',
  branchPrevious: 'branch-previous',
  branchNext: 'branch-next',
  branchPosition: 'branch-position',
  progress: 'answer-progress',
  jumpToLatest: 'jump-to-latest',
  composer: 'composer',
  send: 'send',
  stop: 'stop',
  errorCard: 'error-card',
  errorRetry: 'error-retry',
  linkDialog: 'link-dialog',
  linkOpen: 'link-open',
  // models
  modelsView: 'models-view',
  modelCard: 'model-card',
  modelDelete: 'model-delete',
  modelMakeDefault: 'model-make-default',
  modelLoad: 'model-load',
  modelUnload: 'model-unload',
  modelImport: 'model-import',
  importInPlace: 'import-in-place',
  importCopy: 'import-copy',
  catalogueCard: 'catalogue-card',
  download: 'download',
  downloadStart: 'download-start',
  downloadCancel: 'download-cancel',
  downloadRetry: 'download-retry',
  fetchRepo: 'fetch-repo',
  fetchFile: 'fetch-file',
  fetchSubmit: 'fetch-submit',
  // settings
  settingsView: 'settings-view',
  setting: 'setting',
  settingControl: 'setting-control',
  settingError: 'setting-error',
  settingReset: 'setting-reset',
  themeSelect: 'theme-select',
  keyReveal: 'key-reveal',
  keyCopy: 'key-copy',
  keyRenew: 'key-renew',
  endpointStatus: 'endpoint-status',
  // everywhere
  notice: 'notice',
  noticeDismiss: 'notice-dismiss',
  confirmDialog: 'confirm-dialog',
  confirmAccept: 'confirm-accept',
  confirmCancel: 'confirm-cancel',
} as const;
