import type { GenerationStats } from '../../backend/types';
import { formatSeconds, formatSpeed } from '../../shared/format';
import { t } from '../../shared/i18n';

/** How an answer was written: how fast, how soon it began, how long it is. Some servers count no tokens. */
export function statsLine(stats: GenerationStats): string {
  const { tokensPerSecond, firstTokenSeconds, completionTokens } = stats;
  return [
    ...(tokensPerSecond > 0 ? [formatSpeed(tokensPerSecond)] : []),
    t('chat.answer.firstWord', { time: formatSeconds(firstTokenSeconds) }),
    ...(completionTokens > 0 ? [t('common.tokens', { count: completionTokens })] : []),
  ].join(' · ');
}
