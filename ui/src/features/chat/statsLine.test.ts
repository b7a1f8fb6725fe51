import { describe, expect, it } from 'vitest';
import type { GenerationStats } from '../../backend/types';
import { statsLine } from './statsLine';

const stats: GenerationStats = {
  promptTokens: 9,
  completionTokens: 40,
  cachedTokens: 0,
  droppedMessages: 0,
  summarisedMessages: 0,
  tokensPerSecond: 20,
  firstTokenSeconds: 0.25,
};

describe('statsLine', () => {
  it('tells speed, first word and length', () => {
    expect(statsLine(stats)).toMatch(/20.*·.*first.*·.*40 tokens/i);
  });

  it('tells nothing of tokens where the server counted none', () => {
    expect(statsLine({ ...stats, completionTokens: 0, tokensPerSecond: 0 })).not.toMatch(/token|·/);
  });
});
