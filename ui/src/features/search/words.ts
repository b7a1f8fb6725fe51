/** What the Hub tells of models, in words. */
import type { FitVerdict, Gating, ModelCapability, SearchSort } from '../../backend/types';
import { formatCount } from '../../shared/format';
import { locale, t } from '../../shared/i18n';

export const CAPABILITIES: ModelCapability[] = ['vision', 'tools', 'thinking', 'embedding'];

export const SORTS: SearchSort[] = ['trending', 'downloads', 'likes', 'newest'];

/** What a model asks of those who want it, if anything. */
export function gatingWords(gating: Gating): string | null {
  return gating === 'none' ? null : t(`search.gatings.${gating}`);
}

export const TONES: Record<FitVerdict, 'good' | 'fair' | 'bad'> = {
  fits: 'good',
  experts_on_cpu: 'good',
  experts_from_disk: 'fair',
  too_large: 'bad',
  unsupported: 'bad',
};

/** `1.2k`, `3.4M`. */
export function formatMany(count: number): string {
  if (count < 1000) return formatCount(count);
  const [value, unit] = count < 1e6 ? [count / 1e3, 'k'] : [count / 1e6, 'M'];
  const most = value >= 100 ? 0 : 1;
  return `${value.toLocaleString(locale(), { maximumFractionDigits: most })}${unit}`;
}
