/** A download in words. */
import type { DownloadProgress } from '../../backend/types';
import { formatBytes, formatCount, formatSeconds } from '../../shared/format';
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

/** Over how many connections it comes; nothing where that is one. */
export function connectionsOf({ state, connections }: DownloadProgress): string | undefined {
  return state === 'running' && connections > 1
    ? t('downloads.connections', { count: connections })
    : undefined;
}

/** Nobody waits by tenths of a second. */
function timeLeft(seconds: number): string {
  if (seconds >= 60) return formatSeconds(seconds);
  return t('common.units.seconds', { value: formatCount(Math.ceil(seconds)) });
}

function speedOf({ bytesPerSecond, etaSeconds }: DownloadProgress): string {
  if (bytesPerSecond <= 0) return '';
  const parts = [t('downloads.perSecond', { size: formatBytes(bytesPerSecond) })];
  if (etaSeconds !== null) parts.push(t('downloads.left', { time: timeLeft(etaSeconds) }));
  return ` · ${parts.join(' · ')}`;
}

/** Of one that is stalled no rate is told. */
export function wordsOf(download: DownloadProgress, stalled = false): string {
  const amount = amountOf(download);
  switch (download.state) {
    case 'queued':
      return download.receivedBytes > 0
        ? t('downloads.states.queuedAt', { amount })
        : t('downloads.states.queued');
    case 'running':
      return stalled ? t('downloads.states.waiting', { amount }) : amount + speedOf(download);
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
