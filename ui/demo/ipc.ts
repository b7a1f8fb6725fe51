/**
 * Plays the application's part for the quick loop: bundled by `scripts/browser.mjs` and put into the page before
 * the window's own code. What it plays is chosen by `?demo=`: `full` (default), `first-run`, `first-run-offline`,
 * `downloading`, `rich`, `long`, `german`, `arabic`, `empty`, `queue`, `failing`, `lost`, `start-failed`; `prefill`
 * and `streaming` stand still half-way. `&language=de` chooses a language.
 */
import type { Channel } from '@tauri-apps/api/core';
import { emit } from '@tauri-apps/api/event';
import { mockIPC, mockWindows } from '@tauri-apps/api/mocks';
import type {
  AppEvent,
  ChatEvent,
  CompareEvent,
  Language,
  Message,
  NewRemoteServer,
  SearchQuery,
  Settings,
  SettingsPatch,
} from '../src/backend/types';
import { RICH, long } from './chat';
import * as data from './data';
import * as assistants from './assistants';
import * as knowledge from './knowledge';
import * as desktop from './desktop';
import * as pages from './models';
import { ARABIC, SPOKEN } from './languages';
import * as lost from './lost';
import * as overflow from './overflow';
import * as receipts from './receipts';
import * as tools from './tools';

const query = new URLSearchParams(location.search);
const scene = query.get('demo') ?? 'full';
const offline = scene === 'first-run-offline' || scene === 'first-steps-offline';
const firstRun =
  offline || scene === 'first-run' || scene === 'downloading' || scene === 'first-steps';
const refusal = {
  code: 'model_too_large',
  message: 'The model needs 5.1 GB of memory, but 3.2 GB are free.',
  nextStep: 'Close other programs, choose a smaller model, or lower the context length.',
};

let settings: Settings = structuredClone(data.SETTINGS);
if (scene === 'refused') settings.overflow = 'error';
if (scene.startsWith('first-steps')) {
  settings.desktop.firstRunDone = false;
}
settings.language = (query.get('language') as Language | null) ?? SPOKEN[scene] ?? 'system';
let messages: Message[] =
  overflow.messagesOf(scene) ??
  (scene === 'long'
    ? long(10_000)
    : structuredClone(
        { rich: RICH, tools: tools.MESSAGES, arabic: ARABIC }[scene] ?? data.MESSAGES,
      ));
let events: Channel<AppEvent> | undefined;
let stopped = false;
let counter = 0;
/** What the page asked for, for tests to look at. */
const calls: { command: string; args: unknown }[] = [];
Object.assign(window, { demoCalls: calls });

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function patched(patch: SettingsPatch): Settings {
  if (patch.endpoint && patch.endpoint.port < 1024) {
    throw {
      code: 'invalid_setting',
      message: `Port ${patch.endpoint.port} is below 1024, which only the administrator may use.`,
      nextStep: 'Choose a port from 1024 to 65535.',
    };
  }
  settings = {
    ...settings,
    ...patch,
    defaultModel:
      patch.defaultModel === undefined ? settings.defaultModel : patch.defaultModel || null,
    contextLength:
      patch.contextLength === undefined ? settings.contextLength : patch.contextLength || null,
    desktop: { ...settings.desktop, ...patch.desktop },
    threads: patch.threads === undefined ? settings.threads : patch.threads || null,
  };
  events?.onmessage({ type: 'settings_changed', settings });
  return settings;
}

async function answer(channel: Channel<ChatEvent>, user: Message | null, parentId: string) {
  stopped = false;
  const id = `a${++counter}`;
  const assistant: Message = {
    ...data.MESSAGES[1]!,
    id,
    parentId,
    content: '',
    status: 'streaming',
    stats: null,
  };
  const conversation = { ...data.CONVERSATIONS[0]!, leafId: id };
  channel.onmessage({
    type: 'started',
    conversation,
    userMessage: user,
    assistantMessage: assistant,
  });
  await sleep(100);
  channel.onmessage({ type: 'loading', model: data.MODEL });
  await sleep(200);
  for (let processed = 0; processed <= 400; processed += 100) {
    channel.onmessage({ type: 'prefill', processed, total: 412, cached: 89 });
    if (scene === 'prefill' && processed === 200) return;
    await sleep(60);
  }
  let content = '';
  for (const piece of data.LONG_ANSWER.match(/\s*\S+\s?/g) ?? []) {
    if (stopped) break;
    if (scene === 'streaming' && content.includes('breakwaters')) return;
    content += piece;
    channel.onmessage({ type: 'text', text: piece });
    await sleep(12);
  }
  const message: Message = {
    ...assistant,
    content,
    status: stopped ? 'stopped' : 'complete',
    stats: data.MESSAGES[2]!.stats,
  };
  messages = [...messages, ...(user ? [user] : []), message];
  channel.onmessage({ type: 'finished', message });
}

function said(content: string, parentId: string | null): Message {
  return { ...data.MESSAGES[0]!, id: `u${++counter}`, parentId, content };
}

type Args = Record<string, unknown>;

function view(args: Args) {
  return {
    conversation: {
      ...data.CONVERSATIONS.find(({ id }) => id === args.id),
      ...(scene === 'tools' ? { leafId: 'r2' } : {}),
    },
    messages: args.id === 'c1' ? messages : args.id === 'c2' ? knowledge.MESSAGES : [],
    summaries: overflow.summaries(scene),
  };
}

const commands: Record<string, (args: Args) => unknown> = {
  ...knowledge.commands(firstRun),
  ...tools.commands(scene),
  ...overflow.commands(scene),
  ...assistants.commands(scene),
  ...receipts.commands(scene),
  subscribe: (args) => void (events = args.channel as Channel<AppEvent>),
  get_status: () => {
    if (scene === 'start-failed') {
      throw {
        code: 'data_dir_unwritable',
        message: 'Lantern cannot write to /home/ada/.local/share/lantern: permission denied.',
        nextStep: 'Give your user the right to write there, or set LANTERN_HOME.',
      };
    }
    return scene === 'failing'
      ? {
          ...data.STATUS,
          endpoint: {
            running: false,
            url: null,
            error: {
              code: 'port_taken',
              message: 'Port 11535 is taken by another program.',
              nextStep: 'Choose another port below, or close that program.',
            },
          },
          notices: [
            {
              code: 'database_put_aside',
              message: 'The database was damaged and has been put aside as lantern.db.damaged.',
              nextStep: 'Your conversations were restored from the back-up of this morning.',
            },
          ],
        }
      : data.STATUS;
  },
  api_keys: () => (firstRun ? [] : data.API_KEYS),
  api_requests: () => (firstRun ? [] : data.API_REQUESTS),
  make_api_key: () => ({
    key: data.API_KEYS[0]!,
    secret: 'sk-lantern-5f0c9e1bd4a74b0f9a6d2c3e9f3c',
  }),
  revoke_api_key: () => undefined,
  remote_servers: (args) =>
    firstRun
      ? []
      : scene === 'failing' && !args.ask
        ? data.REMOTES.map((server) => ({ ...server, health: { state: 'unknown' } }))
        : data.REMOTES,
  add_remote_server: (args) => {
    const { url } = args.server as NewRemoteServer;
    if (url.startsWith('http://192') || url.startsWith('https://')) return;
    throw {
      code: 'remote_address',
      message: `${url} is no address of a server: it must begin with https://, or with http:// on this computer and the local network.`,
      nextStep: 'Write it up to /v1, as the server’s documentation gives it.',
    };
  },
  remove_remote_server: () => undefined,
  secrets_status: () => (firstRun ? { secretStorage: 'file', hubToken: 'none' } : data.SECRETS),
  set_hub_token: (args) => ({
    ...data.SECRETS,
    hubToken: args.token === '' ? 'none' : 'lantern',
  }),
  get_settings: () => settings,
  update_settings: (args) => patched(args.patch as SettingsPatch),
  library: () => (firstRun ? [] : data.LIBRARY),
  catalogue: () =>
    data.CATALOGUE.map((entry, index) => ({
      ...entry,
      installed: !firstRun && index === 0 ? data.MODEL : null,
    })),
  downloads: () =>
    scene === 'downloading'
      ? [data.STARTER_DOWNLOAD]
      : offline
        ? [
            {
              ...data.STARTER_DOWNLOAD,
              state: 'failed',
              receivedBytes: 0,
              bytesPerSecond: 0,
              error: lost.OFFLINE,
            },
          ]
        : firstRun
          ? []
          : scene === 'queue'
            ? data.QUEUE
            : data.DOWNLOADS,
  search_models: async (args) => {
    await sleep(50);
    if (scene === 'failing') throw lost.OFFLINE;
    const { next, text } = args.query as SearchQuery;
    if (text === 'nothing') return { repositories: [], next: null, lookedAt: 60, chosenHere: [] };
    return {
      repositories: next === null ? pages.FOUND : [],
      next: next === null ? 'page-2' : null,
      lookedAt: 30,
      chosenHere: ['size'],
    };
  },
  curated_models: () => pages.CURATED,
  repository: () => {
    if (scene === 'failing') throw lost.OFFLINE;
    return pages.REPOSITORY;
  },
  repository_fit: () => pages.REPOSITORY_FIT,
  model_details: (args) => ({
    ...pages.DETAILS,
    model: data.LIBRARY.find(({ id }) => id === args.id) ?? pages.DETAILS.model,
  }),
  template_diff: () => pages.TEMPLATE_DIFF,
  set_model_notes: (args) => args.notes,
  verify_model: () => [
    { path: 'a.gguf', state: 'right', sha256: 'a', expected: 'a', knownFrom: 'hub' },
  ],
  check_updates: () => [],
  disk_use: () =>
    firstRun
      ? { models: [], owners: [], reclaimable: [], totalBytes: 0, freeBytes: 42e9 }
      : pages.DISK,
  removed_models: () => (firstRun ? [] : pages.REMOVED),
  library_folders: () => (firstRun ? [] : pages.FOLDERS),
  reclaim: () => 980_000_000,
  delete_model: (args) => ({ ...pages.REMOVED[0]!, id: 'r2', model: String(args.id) }),
  compare_models: (args) => {
    const channel = args.channel as Channel<CompareEvent>;
    channel.onmessage({
      type: 'progress',
      progress: { model: pages.COMPARISON.a.model, stage: 'reading', done: 0.36 },
    });
    if (scene === 'failing') channel.onmessage({ type: 'failed', error: refusal });
    else if (scene !== 'streaming') {
      channel.onmessage({ type: 'done', comparison: pages.COMPARISON });
    }
  },
  list_conversations: (args) =>
    firstRun ||
    scene === 'first-steps-starter' ||
    scene === 'empty' ||
    scene === 'streaming' ||
    scene === 'prefill'
      ? []
      : scene === 'many'
        ? data.many()
        : data.summaries(args.query as string | null),
  folders: () => (firstRun || scene === 'empty' ? [] : data.FOLDERS),
  create_folder: (args) => ({ id: 'f3', name: String(args.name), createdAt: 1 }),
  find_messages: (args) => data.found((args.query as { text: string }).text),
  begin_temporary_chat: () => ({
    ...data.CONVERSATIONS[0]!,
    id: 'temporary-1',
    title: '',
    leafId: null,
    temporary: true,
  }),
  import_conversations: () => (scene === 'failing' ? data.FAILED_REPORT : data.REPORT),
  export_conversations: () => 1,
  'plugin:dialog|save': () => '/home/ada/conversation.json',
  get_conversation: (args) => view(args),
  open_conversation: (args) => ({ view: view(args), whole: true }),
  send_message: (args) => {
    if (scene === 'failing' || scene === 'quick-refused') throw refusal;
    const { content, parentId } = args.request as { content: string; parentId: string | null };
    const user = said(content, parentId);
    void answer(args.channel as Channel<ChatEvent>, user, user.id);
  },
  regenerate: (args) => {
    const parent = messages.find(({ id }) => id === args.messageId)?.parentId ?? '';
    void answer(args.channel as Channel<ChatEvent>, null, parent);
  },
  edit_message: (args) => {
    const parent = messages.find(({ id }) => id === args.messageId)?.parentId ?? null;
    const user = said(args.content as string, parent);
    void answer(args.channel as Channel<ChatEvent>, user, user.id);
  },
  continue_answer: (args) => {
    const parent = messages.find(({ id }) => id === args.messageId)?.parentId ?? '';
    void answer(args.channel as Channel<ChatEvent>, null, parent);
  },
  stop_message: () => void (stopped = true),
  load_model: (args) => {
    if (scene === 'failing') throw refusal;
    return { state: 'loaded', model: String(args.id), contextLength: 8192, memoryBytes: 1 };
  },
  ...desktop.commands(scene),
  ...lost.commands(scene),
  'plugin:dialog|open': () => '/home/ada/models/Phi-4-mini-Q4_K_M.gguf',
};

mockIPC(
  async (command, args) => {
    calls.push({ command, args: JSON.parse(JSON.stringify(args ?? {})) });
    await sleep(5);
    return commands[command]?.((args ?? {}) as Args) ?? null;
  },
  { shouldMockEvents: true },
);
mockWindows(scene.startsWith('quick') ? 'quick' : scene === 'own-window' ? 'chat-c1' : 'main');

/** Frames for strangers' code, as `vite.config.ts` serves them. */
const { __TAURI_INTERNALS__ } = window as unknown as {
  __TAURI_INTERNALS__: Record<string, unknown>;
};
__TAURI_INTERNALS__.convertFileSrc = (_path: string, protocol: string) => `/${protocol}/`;

/** Plays the system: files are held over the window (`enter`) or let go (`drop`). */
Object.assign(window, {
  demoDrag: (kind: 'enter' | 'drop', paths: string[]) => emit(`tauri://drag-${kind}`, { paths }),
});
