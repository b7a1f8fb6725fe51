/** Numbers and times as people read them. */

export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = -1;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${units[unit]}`;
}

export function formatCount(count: number): string {
  return count.toLocaleString('en-GB');
}

/** `135M`, `1.5B`. */
export function formatParameters(count: number): string {
  if (count >= 1e9) return `${trimZero((count / 1e9).toFixed(1))}B`;
  if (count >= 1e6) return `${Math.round(count / 1e6)}M`;
  return `${Math.round(count / 1e3)}K`;
}

/** `8k`, `128k`; below a thousand as it is. */
export function formatTokens(count: number): string {
  return count >= 1000 ? `${trimZero((count / 1024).toFixed(1))}k` : `${count}`;
}

/** `0.42 s`, `8 s`, `3 min`, `1 h 20 min`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 1) return `${seconds.toFixed(2)} s`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}

export function formatPercent(part: number, whole: number): string {
  return `${Math.floor((100 * part) / whole)} %`;
}

/** A moment given in milliseconds: the time today, otherwise the day and the time. */
export function formatTime(at: number): string {
  const then = new Date(at);
  const time = then.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
  if (then.toDateString() === new Date().toDateString()) return time;
  return `${then.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' })}, ${time}`;
}

function trimZero(text: string): string {
  return text.replace(/\.0$/, '');
}
