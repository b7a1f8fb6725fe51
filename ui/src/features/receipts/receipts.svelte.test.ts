import { flushSync, mount, unmount } from 'svelte';
import { afterEach, expect, it, vi } from 'vitest';
import { RECEIPT } from '../../../demo/receipts';
import type { Backend } from '../../backend';
import { fakeBackend } from '../../backend/fake';
import type {
  AnswerReceipts,
  ErrorInfo,
  Receipt,
  ReplayEvent,
  ReplayVerdict,
} from '../../backend/types';
import { TESTID } from '../../shared/testids';
import { apart } from './facts';
import ReceiptDialog from './ReceiptDialog.svelte';

const SAME: ReplayVerdict = {
  identical: true,
  differsAt: null,
  tokens: 187,
  then: 'a',
  now: 'a',
  changes: [],
};
const BUSY: ErrorInfo = { code: 'replay_busy', message: 'Busy.', nextStep: 'Wait.' };

let open: ReturnType<typeof mount> | undefined;

afterEach(async () => {
  if (open) await unmount(open);
  open = undefined;
  vi.useRealTimers();
});

async function show(overrides: Partial<Backend>, onclose = () => {}) {
  // The test's page has no dialogs.
  HTMLDialogElement.prototype.showModal = function () {
    this.open = true;
  };
  HTMLDialogElement.prototype.close = function () {
    this.open = false;
  };
  const props = { backend: fakeBackend(overrides), messageId: 'm3', onclose };
  open = mount(ReceiptDialog, { target: document.body, props });
  await settled();
}

async function settled() {
  await Promise.resolve();
  await Promise.resolve();
  await Promise.resolve();
  flushSync();
}

it('of two answers shows where they part', () => {
  expect(apart('to be', 'to do')).toEqual({ common: 'to ', then: 'be', now: 'do' });
  expect(apart('a😀', 'a😁')).toEqual({ common: 'a', then: '😀', now: '😁' });
  const long = 'x'.repeat(500);
  expect(apart(long, `${long}y`)).toEqual({ common: `…${'x'.repeat(160)}`, then: '', now: 'y' });
});

const found = (receipts: Receipt[], notice: ErrorInfo | null = null) => ({
  receipts: (): Promise<AnswerReceipts> => Promise.resolve({ receipts, notice }),
});
const all = (testid: string) => [
  ...document.querySelectorAll<HTMLElement>(`[data-testid="${testid}"]`),
];
const one = (testid: string) => all(testid)[0];
const fact = (name: string) =>
  document.querySelector(`[data-testid="${TESTID.receiptFact}"][data-name="${name}"] dd`)
    ?.textContent;

async function press(testid: string) {
  one(testid)!.click();
  await settled();
}

it('says what the answer followed from', async () => {
  await show(found([RECEIPT]));
  expect(fact('Seed')).toBe('2871903551');
  expect(fact('SHA-256')).toBe(RECEIPT.by.type === 'local' ? RECEIPT.by.files[0]!.sha256 : '');
  expect(fact('Instructions')).toBe('avx2');
  expect(fact('Temperature')).toBe('0.7');
  expect(fact('Prompt')).toBe('412 tokens');
  expect(fact('Left out')).toBe('12 messages');
  expect(fact('Summarised')).toBeUndefined();
  const tokens = all(TESTID.receiptTokens).map((list) => list.querySelector('p')?.textContent);
  expect(tokens).toEqual([RECEIPT.prompt.join(' '), RECEIPT.answer.join(' ')]);
});

it('plays it again: progress, then the verdict', async () => {
  let emit: (event: ReplayEvent) => void = () => {};
  let asked = '';
  await show({
    ...found([RECEIPT]),
    replayMessage: (messageId, onEvent) => {
      asked = messageId;
      emit = onEvent;
      return Promise.resolve();
    },
  });
  await press(TESTID.receiptReplay);
  expect(asked).toBe('m3');
  expect(one(TESTID.receiptProgress)?.dataset.kind).toBe('starting');
  emit({ type: 'writing', done: 61, total: 187 });
  flushSync();
  expect(one(TESTID.receiptProgress)?.textContent).toContain('61 of 187');
  expect(document.querySelector('[role="progressbar"]')?.getAttribute('aria-valuenow')).toBe('33');
  emit({ type: 'finished', verdict: SAME });
  flushSync();
  expect(one(TESTID.receiptVerdict)?.dataset.identical).toBe('true');
  expect(one(TESTID.receiptVerdict)?.textContent).toContain('All 187 tokens');
  expect(one(TESTID.receiptProgress)).toBeUndefined();
});

it('shows both texts and what is different now', async () => {
  const verdict: ReplayVerdict = {
    ...SAME,
    identical: false,
    differsAt: 23,
    then: 'to be',
    now: 'or not',
    changes: [
      { part: 'isa', matters: true, then: 'avx2', now: 'avx512' },
      { part: 'threads', matters: false, then: '8', now: '4' },
    ],
  };
  await show({
    ...found([RECEIPT]),
    replayMessage: (_id, onEvent) => {
      onEvent({ type: 'finished', verdict });
      return Promise.resolve();
    },
  });
  await press(TESTID.receiptReplay);
  const text = one(TESTID.receiptVerdict)!.textContent;
  for (const words of ['part at token 24', 'to be', 'or not']) expect(text).toContain(words);
  expect(all(TESTID.receiptChange).map(({ dataset }) => dataset.part)).toEqual(['isa', 'threads']);
  expect(all(TESTID.receiptChange)[1]!.textContent).toContain('changes no token');
});

it('can be stopped, and stops when nobody looks any more', async () => {
  const stopReplay = vi.fn(() => Promise.resolve());
  let emit: (event: ReplayEvent) => void = () => {};
  await show({
    ...found([RECEIPT]),
    replayMessage: (_id, onEvent) => {
      emit = onEvent;
      return Promise.resolve();
    },
    stopReplay,
  });
  await press(TESTID.receiptReplay);
  await press(TESTID.receiptStop);
  expect(stopReplay).toHaveBeenCalledTimes(1);
  emit({ type: 'failed', error: { ...BUSY, code: 'replay_stopped' } });
  flushSync();
  expect(one(TESTID.errorCard), 'whoever stopped it knows').toBeUndefined();
  await press(TESTID.receiptReplay);
  await unmount(open!);
  open = undefined;
  expect(stopReplay).toHaveBeenCalledTimes(2);
});

it('says why there is none, and why a replay came to nothing', async () => {
  await show({});
  expect(one(TESTID.errorCard)?.dataset.code).toBe('receipt_missing');
  expect(one(TESTID.receiptReplay)).toBeUndefined();
  await unmount(open!);

  await show({ ...found([RECEIPT]), replayMessage: () => Promise.reject(BUSY) });
  await press(TESTID.receiptReplay);
  expect(one(TESTID.errorCard)?.dataset.code).toBe('replay_busy');
  expect(one(TESTID.receiptReplay)).toBeDefined();
});

it('of a model elsewhere only tells what is known', async () => {
  const notice = { code: 'receipt_remote', message: 'Elsewhere.', nextStep: '' };
  const remote: Receipt = {
    ...RECEIPT,
    by: { type: 'remote', server: 'work' },
    sampling: { ...RECEIPT.sampling, seed: null },
    prompt: [],
    answer: [],
  };
  await show(found([remote], notice));
  expect(one(TESTID.errorCard)?.dataset.code).toBe('receipt_remote');
  expect(fact('Server')).toBe('work');
  expect(fact('Seed')).toBe('not known');
  expect(fact('Prompt')).toBeUndefined();
  expect(one(TESTID.receiptReplay)).toBeUndefined();
});

it('looks again until the hash is known', async () => {
  vi.useFakeTimers();
  const local = RECEIPT.by.type === 'local' ? RECEIPT.by : never();
  const waiting = { ...RECEIPT, by: { ...local, files: [{ ...local.files[0]!, sha256: null }] } };
  const receipts = vi
    .fn<() => Promise<AnswerReceipts>>()
    .mockResolvedValueOnce({ receipts: [waiting], notice: null })
    .mockResolvedValue({ receipts: [RECEIPT], notice: null });
  await show({ receipts });
  expect(fact('SHA-256')).toContain('not known yet');
  await vi.advanceTimersByTimeAsync(2000);
  flushSync();
  expect(fact('SHA-256')).toBe(local.files[0]!.sha256);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(receipts).toHaveBeenCalledTimes(2);
});

it('shows each message of an answer with tools, the last one first', async () => {
  const first: Receipt = { ...RECEIPT, messageId: 'm1', finish: 'tool_calls' };
  await show(found([first, RECEIPT]));
  expect(all(TESTID.receiptRound)).toHaveLength(2);
  expect(fact('Ended')).toBe('The model ended it');
  all(TESTID.receiptRound)[0]!.click();
  await settled();
  expect(fact('Ended')).toBe('The model called tools');
});

it('is saved where the user wants it', async () => {
  const saveReceipts = vi.fn(() => Promise.resolve());
  await show({
    ...found([RECEIPT]),
    chooseSavePath: () => Promise.resolve('/home/ada/receipt.json'),
    saveReceipts,
  });
  await press(TESTID.receiptSave);
  expect(saveReceipts).toHaveBeenCalledWith('m3', '/home/ada/receipt.json');
});

function never(): never {
  throw new Error('the demo’s receipt is a local one');
}
