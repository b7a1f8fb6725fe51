/** Made-up downloads. */
import type { DownloadProgress } from '../../src/backend/types';
import { CATALOGUE } from './library';

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
