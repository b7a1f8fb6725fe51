/** Made-up settings, keys of programs, servers, and how the application is. */
import type {
  ApiKey,
  ApiRequest,
  AppStatus,
  RemoteServer,
  SecretsStatus,
  Settings,
} from '../../src/backend/types';
import { MODEL } from './library';
import { DAY, MINUTE, NOW } from './time';

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
