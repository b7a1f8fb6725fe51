/** A download in words. */
import type { DownloadProgress } from '../../backend/types';
import { formatBytes, formatSeconds } from '../../shared/format';
import { said, t } from '../../shared/i18n';

export function amountOf({ receivedBytes, totalBytes }: DownloadProgress): string {
  const received = formatBytes(receivedBytes);
  return totalBytes
    ? t('downloads.amount', { received, total: formatBytes(totalBytes) })
    : received;
}

/** From 0 to 1; `null` while the whole is not known. */
export function shareOf({ receivedBytes, totalBytes }: DownloadProgress): number | null {
  return totalBytes ? receivedBytes / totalBytes : null;
}

function speedOf({ bytesPerSecond, etaSeconds, connections }: DownloadProgress): string {
  if (bytesPerSecond <= 0) return '';
  const parts = [t('downloads.perSecond', { size: formatBytes(bytesPerSecond) })];
  if (etaSeconds !== null) parts.push(t('downloads.left', { time: formatSeconds(etaSeconds) }));
  if (connections > 1) parts.push(t('downloads.connections', { count: connections }));
  return ` · ${parts.join(' · ')}`;
}

export function wordsOf(download: DownloadProgress): string {
  const amount = amountOf(download);
  switch (download.state) {
    case 'queued':
      return download.receivedBytes > 0
        ? t('downloads.states.queuedAt', { amount })
        : t('downloads.states.queued');
    case 'running':
      return amount + speedOf(download);
    case 'retrying':
      return t('downloads.states.retrying', {
        amount,
        cause: download.error ? said(download.error).message : t('downloads.states.connectionLost'),
      });
    case 'verifying':
      return t('downloads.states.verifying');
    case 'paused':
      return t('downloads.states.paused', { amount });
    case 'cancelled':
    case 'failed':
      return t('downloads.states.stopped', { amount });
    case 'done':
      return t('downloads.states.done', {
        size: formatBytes(download.totalBytes ?? download.receivedBytes),
      });
  }
}
