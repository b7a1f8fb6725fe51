import { afterEach, describe, expect, it, vi } from 'vitest';
import { QUEUE } from '../../../demo/data';
import { fakeBackend } from '../../backend/fake';
import type { DownloadProgress, ErrorInfo } from '../../backend/types';
import { DownloadsController, STALLED_AFTER } from './downloads.svelte';
import { wordsOf } from './words';

const REFUSED: ErrorInfo = { code: 'disk_full', message: 'Full.', nextStep: 'Free some.' };
const [first, second] = QUEUE as [DownloadProgress, DownloadProgress];

async function shown(list = QUEUE, overrides = {}) {
  const backend = fakeBackend({ downloads: () => Promise.resolve(list), ...overrides });
  const downloads = new DownloadsController(backend);
  await downloads.refresh();
  return { downloads, backend };
}

describe('downloads', () => {
  it('are in the queue until they are over', async () => {
    const { downloads } = await shown();
    expect(downloads.queue.map(({ state }) => state)).toEqual([
      ...['running', 'verifying', 'retrying', 'queued', 'paused'],
    ]);
    expect(downloads.ended.map(({ state }) => state)).toEqual(['failed', 'done']);
    expect(downloads.underWay).toHaveLength(4);
  });

  it('add up to one rate, and to a time once all sizes are known', async () => {
    const known = { ...first, receivedBytes: 100, totalBytes: 300, bytesPerSecond: 10 };
    const { downloads } = await shown([known]);
    expect(downloads.total).toEqual({ rate: 10, rest: 200, seconds: 20 });
    downloads.progress({ ...second, state: 'queued', totalBytes: null, bytesPerSecond: 0 });
    expect(downloads.total.seconds).toBeNull();
  });

  it('move within the queue and not beyond it', async () => {
    const moveDownload = vi.fn(() => Promise.resolve());
    const { downloads } = await shown(QUEUE, { moveDownload });
    await downloads.move(second.id, -1);
    await downloads.move(second.id, 1);
    expect(moveDownload.mock.calls).toEqual([
      [second.id, 0],
      [second.id, 2],
    ]);
    await downloads.move(first.id, -1);
    expect(moveDownload).toHaveBeenCalledTimes(2);
  });

  it('are held together, and only what is held goes on together', async () => {
    const pauseDownload = vi.fn(() => Promise.resolve());
    const resumeDownload = vi.fn(() => Promise.resolve());
    const { downloads } = await shown(QUEUE, { pauseDownload, resumeDownload });
    await downloads.pauseAll();
    expect(pauseDownload).toHaveBeenCalledTimes(4);
    await downloads.resumeAll();
    expect(resumeDownload.mock.calls).toEqual([[QUEUE[4]!.id]]);
  });

  it('say what was refused, until something works', async () => {
    let broken = true;
    const { downloads } = await shown(QUEUE, {
      resumeDownload: () => (broken ? Promise.reject(REFUSED) : Promise.resolve()),
    });
    await downloads.resume(first.id);
    expect(downloads.error).toEqual(REFUSED);
    broken = false;
    await downloads.resume(first.id);
    expect(downloads.error).toBeNull();
  });
});

describe('a download that gets nothing any more', () => {
  afterEach(() => void vi.useRealTimers());

  it('has no rate until bytes arrive again', async () => {
    vi.useFakeTimers();
    const running = { ...first, receivedBytes: 100, totalBytes: 300, bytesPerSecond: 10 };
    const { downloads } = await shown([running]);
    const words = () => wordsOf(downloads.list[0]!, downloads.stalled.has(first.id));
    vi.advanceTimersByTime(STALLED_AFTER - 1);
    expect(words()).toContain('10 B/s');
    // The same again is no news.
    downloads.progress({ ...running });
    vi.advanceTimersByTime(1);
    expect(words()).toBe('100 B of 300 B · Waiting for data…');
    expect(downloads.total).toEqual({ rate: 0, rest: 200, seconds: null });

    downloads.progress({ ...running, receivedBytes: 120 });
    expect(words()).toContain('10 B/s');
    downloads.progress({ ...running, receivedBytes: 120, state: 'verifying' });
    vi.advanceTimersByTime(10 * STALLED_AFTER);
    expect(downloads.stalled.size, 'what is checked needs no bytes').toBe(0);
  });
});

describe('the words of a download', () => {
  const of = (extra: Partial<DownloadProgress>) =>
    wordsOf({
      ...first,
      receivedBytes: 2e9,
      totalBytes: 4e9,
      bytesPerSecond: 1e7,
      etaSeconds: 200,
      connections: 8,
      ...extra,
    });

  it('tell amount, rate and time', () => {
    expect(of({})).toBe('2.0 GB of 4.0 GB · 10.0 MB/s · 3 min left');
    expect(of({ etaSeconds: 4.2 })).toContain(' · 5 s left');
    expect(of({ totalBytes: null, etaSeconds: null, connections: 1 })).toBe('2.0 GB · 10.0 MB/s');
  });

  it('tell what was kept', () => {
    expect(of({ state: 'paused' })).toBe('Paused at 2.0 GB of 4.0 GB');
    expect(of({ state: 'failed' })).toContain('is kept');
  });
});
