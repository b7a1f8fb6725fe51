/** What the Hub tells of models, in words. */
import type { FitVerdict, Gating, ModelCapability, SearchSort } from '../../backend/types';

export const CAPABILITIES: Record<ModelCapability, string> = {
  vision: 'Vision',
  tools: 'Tools',
  thinking: 'Thinking',
  embedding: 'Embedding',
};

export const SORTS: Record<SearchSort, string> = {
  trending: 'Trending',
  downloads: 'Most downloads',
  likes: 'Most likes',
  newest: 'Newest',
};

export const GATINGS: Record<Gating, string | null> = {
  none: null,
  automatic: 'Terms to accept',
  manual: 'On request',
};

export const VERDICTS: Record<FitVerdict, { words: string; tone: 'good' | 'fair' | 'bad' }> = {
  fits: { words: 'Fits', tone: 'good' },
  experts_on_cpu: { words: 'Fits, experts on the processor', tone: 'good' },
  experts_from_disk: { words: 'Runs partly from the disk', tone: 'fair' },
  too_large: { words: 'Too large', tone: 'bad' },
  unsupported: { words: 'Cannot be run', tone: 'bad' },
};

/** `1.2k`, `3.4M`. */
export function formatMany(count: number): string {
  if (count < 1000) return `${count}`;
  const [value, unit] = count < 1e6 ? [count / 1e3, 'k'] : [count / 1e6, 'M'];
  return `${value >= 100 ? value.toFixed(0) : value.toFixed(1).replace(/\.0$/, '')}${unit}`;
}
