/** Numbers and times as people read them, in the language of the window. */
import { locale, t, type Key } from './i18n';

const BYTES: Key[] = [
  'common.units.kilobytes',
  'common.units.megabytes',
  'common.units.gigabytes',
  'common.units.terabytes',
];

export function formatBytes(bytes: number): string {
  if (bytes < 1000) return t('common.units.bytes', { value: formatCount(bytes) });
  let value = bytes;
  let unit = -1;
  while (value >= 999.5 && unit < BYTES.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const key = BYTES[unit] ?? 'common.units.bytes';
  return t(key, { value: formatDecimal(value, value >= 100 ? 0 : 1) });
}

export function formatCount(count: number): string {
  return count.toLocaleString(locale());
}

/** Always as many decimals, so that numbers below each other can be compared. */
export function formatDecimal(value: number, decimals: number): string {
  return value.toLocaleString(locale(), {
    minimumFractionDigits: decimals,
    maximumFractionDigits: decimals,
  });
}

/** `135M`, `1.5B`: as models are named, in every language. */
export function formatParameters(count: number): string {
  if (count >= 1e9) return `${trimZero((count / 1e9).toFixed(1))}B`;
  if (count >= 1e6) return `${Math.round(count / 1e6)}M`;
  return `${Math.round(count / 1e3)}K`;
}

/** `8k`, `128k`; below a thousand as it is. */
export function formatTokens(count: number): string {
  if (count < 1000) return formatCount(count);
  return `${(count / 1024).toLocaleString(locale(), { maximumFractionDigits: 1 })}k`;
}

/** `0.42 s`, `8 s`, `3 min`, `1 h 20 min`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 60) {
    const decimals = seconds < 1 ? 2 : seconds < 10 ? 1 : 0;
    return t('common.units.seconds', { value: formatDecimal(seconds, decimals) });
  }
  if (seconds < 3600) {
    return t('common.units.minutes', { value: formatCount(Math.round(seconds / 60)) });
  }
  return t('common.units.hoursAndMinutes', {
    hours: formatCount(Math.floor(seconds / 3600)),
    minutes: formatCount(Math.round((seconds % 3600) / 60)),
  });
}

/** Names in a row: `a, b, c`. */
export function formatList(parts: string[]): string {
  return new Intl.ListFormat(locale(), { type: 'conjunction', style: 'narrow' }).format(parts);
}

/** How fast a model writes. */
export function formatSpeed(tokensPerSecond: number): string {
  return t('common.units.tokensPerSecond', { value: formatDecimal(tokensPerSecond, 1) });
}

export function formatPercent(part: number, whole: number): string {
  return t('common.units.percent', { value: formatCount(Math.floor((100 * part) / whole)) });
}

/** A day, of a moment given in milliseconds. */
export function formatDate(at: number, how: Intl.DateTimeFormatOptions): string {
  return new Date(at).toLocaleDateString(locale(), how);
}

/** A moment given in milliseconds: the time today, otherwise the day and the time. */
export function formatTime(at: number): string {
  const then = new Date(at);
  const time = then.toLocaleTimeString(locale(), { hour: '2-digit', minute: '2-digit' });
  if (then.toDateString() === new Date().toDateString()) return time;
  return `${formatDate(at, { day: 'numeric', month: 'short' })}, ${time}`;
}

function trimZero(text: string): string {
  return text.replace(/\.0$/, '');
}
