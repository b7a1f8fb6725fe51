/** Receipts for the demo: of an answer that comes again, and with `?demo=failing` of one that does not. */
import type { Channel } from '@tauri-apps/api/core';
import type { Receipt, ReplayEvent, ReplayVerdict } from '../src/backend/types';

export const RECEIPT: Receipt = {
  version: 1,
  messageId: 'm3',
  model: 'SmolLM2-135M-Instruct-Q4_1',
  startedAt: 1_795_000_000_000,
  finish: 'stop',
  sampling: {
    temperature: 0.7,
    topK: 40,
    topP: 0.95,
    minP: 0.05,
    repeatPenalty: 1,
    presencePenalty: 0,
    frequencyPenalty: 0,
    repeatLastN: 64,
    seed: '2871903551',
    maxTokens: null,
  },
  mustCall: false,
  pictures: [],
  by: {
    type: 'local',
    contentId: '5f0c9e1bd4a74b0f9a6d2c3e9f3c1d20',
    files: [
      {
        part: 'weights',
        name: 'SmolLM2-135M-Instruct-Q4_1.gguf',
        bytes: 98_362_432,
        sha256: '8030f4c1a9b0c1f5e0b3d5e8f7a65b1c9d0e2f4a6b8c0d1e3f5a7b9c1d3e5f70',
      },
    ],
    engine: {
      version: '0.1.0',
      commit: 'e14fd70c5ab2f1f0c3b6c8b4a4c7d94a5f6a20be',
      isa: 'avx2',
      threads: 8,
      device: 'none: this build computes on the CPU alone',
      contextLength: 8192,
      kvType: 'f16',
      templateSha256: '4b6a1f20c1d37b6d0a0ce1c1b0f9a7d8e3a5c7b9d1f3e5a7c9b1d3f5e7a9c1b3',
    },
  },
  dropped: { count: 12, lastMessageId: 'm0' },
  summarised: null,
  tools: null,
  prompt: Array.from({ length: 412 }, (_, at) => (at * 7919) % 49152),
  answer: Array.from({ length: 187 }, (_, at) => (at * 104_729) % 49152),
};

const SAME: ReplayVerdict = {
  identical: true,
  differsAt: null,
  tokens: 187,
  then: '',
  now: '',
  changes: [],
};

const OTHER: ReplayVerdict = {
  identical: false,
  differsAt: 23,
  tokens: 251,
  then: 'A lighthouse lens is cut in rings, so that it bends the light of one lamp into a single, level beam.<|im_end|>',
  now: 'A lighthouse lens is cut in rings, so that it sends what one lamp gives into all directions of the compass.<|im_end|>',
  changes: [
    {
      part: 'weights',
      matters: true,
      then: 'SmolLM2-135M-Instruct-Q4_1.gguf (sha256 8030f4c1a9b0c1f5e0b3d5e8f7a65b1c9d0e2f4a6b8c0d1e3f5a7b9c1d3e5f70)',
      now: 'SmolLM2-135M-Instruct-Q4_1.gguf (sha256 0b3d5e8f7a65b1c9d0e2f4a6b8c0d1e3f5a7b9c1d3e5f708030f4c1a9b0c1f5e)',
    },
    { part: 'threads', matters: false, then: '8', now: '4' },
  ],
};

export function commands(
  scene: string,
): Record<string, (args: Record<string, unknown>) => unknown> {
  return {
    receipts: (args) => {
      const receipt = { ...RECEIPT, messageId: String(args.messageId) };
      const notice = {
        code: 'model_changed',
        message: `${receipt.model} is another file now than the one that wrote this answer.`,
        nextStep: 'A replay says where the answers part.',
      };
      return { receipts: [receipt], notice: scene === 'changed' ? notice : null };
    },
    save_receipts: () => undefined,
    replay_message: (args) => {
      const channel = args.channel as Channel<ReplayEvent>;
      channel.onmessage({ type: 'writing', done: 61, total: 187 });
      if (scene === 'replaying') return;
      channel.onmessage({ type: 'finished', verdict: scene === 'changed' ? OTHER : SAME });
    },
    stop_replay: () => undefined,
  };
}
