/** A download in words. */
import type { DownloadProgress } from '../../backend/types';
import { formatBytes, formatSeconds } from '../../shared/format';

export function amountOf({ receivedBytes, totalBytes }: DownloadProgress): string {
  const received = formatBytes(receivedBytes);
  return totalBytes ? `${received} of ${formatBytes(totalBytes)}` : received;
}

/** From 0 to 1; `null` while the whole is not known. */
export function shareOf({ receivedBytes, totalBytes }: DownloadProgress): number | null {
  return totalBytes ? receivedBytes / totalBytes : null;
}

function speedOf({ bytesPerSecond, etaSeconds, connections }: DownloadProgress): string {
  if (bytesPerSecond <= 0) return '';
  const parts = [`${formatBytes(bytesPerSecond)}/s`];
  if (etaSeconds !== null) parts.push(`${formatSeconds(etaSeconds)} left`);
  if (connections > 1) parts.push(`${connections} connections`);
  return ` · ${parts.join(' · ')}`;
}

export function wordsOf(download: DownloadProgress): string {
  const amount = amountOf(download);
  switch (download.state) {
    case 'queued':
      return download.receivedBytes > 0
        ? `Waiting for its turn · ${amount}`
        : 'Waiting for its turn';
    case 'running':
      return amount + speedOf(download);
    case 'retrying':
      return `${amount} · ${download.error?.message ?? 'The connection was lost.'} Trying again…`;
    case 'verifying':
      return 'Checking that every byte is right…';
    case 'paused':
      return `Paused at ${amount}`;
    case 'cancelled':
    case 'failed':
      return `Stopped at ${amount}. What has arrived is kept.`;
    case 'done':
      return `In your library · ${formatBytes(download.totalBytes ?? download.receivedBytes)}`;
  }
}
