/** Made-up repositories, verdicts, disks and comparisons that the quick loop shows. */
import type {
  Comparison,
  CuratedModel,
  DiskUse,
  Fit,
  FoundRepository,
  LibraryFolder,
  ModelDetails,
  RemovedModel,
  Repository,
  RepositoryFit,
  TemplateDiff,
} from '../src/backend/types';
import { CACHE, CATALOGUE, DAY, HOUR, LIBRARY, NOW } from './data';

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
