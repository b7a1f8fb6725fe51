import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { flushSync, mount, unmount } from 'svelte';
import type { Backend } from '../../backend';
import { fakeBackend, fakeConversation, fakeMessage } from '../../backend/fake';
import type { ConversationContext, NextSight, Summary } from '../../backend/types';
import { LanternApp } from '../../lantern.svelte';
import { t } from '../../shared/i18n';
import { TESTID } from '../../shared/testids';
import { ContextController } from './context.svelte';
import ContextPanel from './ContextPanel.svelte';
import SummaryCard from './SummaryCard.svelte';

const storage = { getItem: () => null, setItem: () => {} };

/** Three questions with their answers: q0, a0, q1, … */
function messages() {
  return [0, 1, 2].flatMap((turn) => [
    fakeMessage({ id: `q${turn}`, parentId: turn === 0 ? null : `a${turn - 1}` }),
    fakeMessage({ id: `a${turn}`, parentId: `q${turn}`, role: 'assistant' }),
  ]);
}

function next(extra: Partial<NextSight>): NextSight {
  const nothing = { summarisedTo: null, droppedTo: null, summaryDue: false, refused: false };
  return { ...nothing, context: 1024, ...extra };
}

async function opened(
  known: Partial<ConversationContext>,
  summaries: Summary[] = [],
  overrides: Partial<Backend> = {},
) {
  const answer = { overflow: null, sights: [], next: null, ...known };
  const conversationContext = vi.fn(() => Promise.resolve(answer));
  const backend = fakeBackend({ conversationContext, ...overrides });
  const app = new LanternApp(backend, storage);
  const conversation = fakeConversation({ leafId: 'a2' });
  app.chat.session.show({ conversation, messages: messages(), summaries });
  const context = new ContextController(app);
  await context.refresh();
  return { app, backend, context, conversationContext };
}

const words = (context: ContextController) =>
  [0, 1, 2, 3, 4, 5].map((place) => {
    const mark = context.markAt(place);
    return mark && t(mark.words);
  });

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

it('marks say what the next question reads, and how that differs from the last answer', async () => {
  const { context } = await opened({
    sights: [{ messageId: 'a2', summarisedTo: null, summary: null, droppedTo: 'a0' }],
    next: next({ droppedTo: 'a1' }),
  });
  const left = 'Left out of what the model reads';
  const soon = 'Left out from the next question on';
  expect(words(context)).toEqual([left, left, soon, soon, null, null]);
  expect(context.counts).toEqual({ read: 2, summarised: 0, dropped: 4 });
  expect(context.markAt(0)?.mark).toBe('dropped');
});

it('an answer can be picked out to see what it read', async () => {
  const { context } = await opened(
    {
      sights: [
        { messageId: 'a1', summarisedTo: 'a0', summary: 'As it was.', droppedTo: null },
        { messageId: 'a2', summarisedTo: null, summary: null, droppedTo: 'a1' },
      ],
      next: next({ droppedTo: 'a1' }),
    },
    [{ messageId: 'a0', text: 'As it is.', edited: true }],
  );
  expect(context.summary).toBeNull();
  context.inspect('a1');
  expect(words(context).slice(0, 3)).toEqual([
    'That answer read a summary of this',
    'That answer read a summary of this',
    null,
  ]);
  expect(context.summary).toMatchObject({ place: 1, text: 'As it was.', past: true });
  context.inspect('a1');
  expect(context.inspected).toBeNull();
  expect(context.counts.dropped).toBe(4);
});

it('the summary that stands is shown, and where another one will be written', async () => {
  const { context } = await opened({ next: next({ summarisedTo: 'a1', summaryDue: true }) }, [
    { messageId: 'a0', text: 'They met.', edited: false },
  ]);
  expect(context.summary).toMatchObject({ place: 1, messageId: 'a0', text: 'They met.' });
  expect(context.due).toBe(3);
});

it('while an answer is written, its own sight counts and nothing is planned', async () => {
  const { app, backend, context, conversationContext } = await opened({
    next: next({ droppedTo: 'a1' }),
  });
  app.chat.session.regenerate('a2');
  context.refreshSoon();
  vi.runAllTimers();
  expect(conversationContext).toHaveBeenCalledTimes(1);
  expect(context.next).toBeNull();
  const assistantMessage = fakeMessage({ id: 'a3', parentId: 'q2', role: 'assistant' });
  const { emit } = backend.answers[0]!;
  const conversation = fakeConversation({ leafId: 'a3' });
  emit({ type: 'started', conversation, userMessage: null, assistantMessage });
  emit({ type: 'dropped', messageIds: ['q0', 'a0'], tokensBefore: 9, tokensAfter: 5 });
  expect(context.counts.dropped).toBe(2);
  emit({ type: 'finished', message: { ...assistantMessage, status: 'complete' } });
  context.refreshSoon();
  vi.runAllTimers();
  expect(conversationContext).toHaveBeenCalledTimes(2);
});

it('a choice is the conversation’s own, or follows the settings', async () => {
  const setOverflow = vi.fn(() => Promise.resolve());
  const { context, conversationContext } = await opened({}, [], { setOverflow });
  expect([context.own, context.choice]).toEqual([null, 'drop_oldest']);
  await context.choose('error');
  expect(setOverflow).toHaveBeenCalledExactlyOnceWith('c1', 'error');
  expect(conversationContext).toHaveBeenCalledTimes(2);
});

it('a choice that is refused changes nothing and is told', async () => {
  const setOverflow = () => Promise.reject(new Error('no'));
  const { app, context } = await opened({}, [], { setOverflow });
  await context.choose('error');
  expect(context.own).toBeNull();
  expect(app.notices).toHaveLength(1);
});

it('removing a summary removes those before it on its branch', async () => {
  const removeSummary = vi.fn(() => Promise.resolve());
  const kept = { messageId: 'a2', text: 'later', edited: false };
  const { app, context } = await opened(
    {},
    [
      { messageId: 'a0', text: 'first', edited: true },
      { messageId: 'a1', text: 'second', edited: false },
      kept,
    ],
    { removeSummary },
  );
  await context.remove('a1');
  expect(removeSummary).toHaveBeenCalledExactlyOnceWith('a1');
  expect(app.chat.session.summaries).toEqual([kept]);
});

async function card(overrides: Partial<Backend>) {
  const made = await opened(
    { next: next({ summarisedTo: 'a0' }) },
    [{ messageId: 'a0', text: 'They met.', edited: false }],
    overrides,
  );
  const props = $state({ context: made.context, summary: made.context.summary!, busy: false });
  const component = mount(SummaryCard, { target: document.body, props });
  flushSync();
  const find = <T extends HTMLElement>(testid: string) =>
    document.querySelector<T>(`[data-testid="${testid}"]`);
  const click = (testid: string) => {
    find(testid)!.click();
    flushSync();
  };
  const settle = async () => {
    await vi.runAllTimersAsync();
    props.summary = made.context.summary!;
    flushSync();
  };
  return { ...made, find, click, settle, close: () => unmount(component) };
}

it('a summary is edited where it stands, and says so', async () => {
  const editSummary = vi.fn((messageId: string, text: string) =>
    Promise.resolve({ messageId, text, edited: true }),
  );
  const { find, click, settle, close } = await card({ editSummary });
  expect(find(TESTID.summaryEdited)).toBeNull();
  click(TESTID.summaryEdit);
  const area = find<HTMLTextAreaElement>(TESTID.summaryText)!;
  expect([area.value, area.getAttribute('aria-label')]).toEqual([
    'They met.',
    'Summary of everything above',
  ]);
  expect(document.activeElement).toBe(area);
  area.value = 'They met in Cordouan.';
  area.dispatchEvent(new Event('input', { bubbles: true }));
  flushSync();
  click(TESTID.summarySave);
  await settle();
  expect(editSummary).toHaveBeenCalledExactlyOnceWith('a0', 'They met in Cordouan.');
  expect(find(TESTID.summaryWords)?.textContent).toBe('They met in Cordouan.');
  expect(find(TESTID.summaryEdited)?.textContent).toBe('Edited by you');
  await close();
});

it('what cannot be kept stays in the field, and Escape lets it go', async () => {
  const editSummary = () => Promise.reject({ code: 'disk_full', message: 'Full.', nextStep: '' });
  const { context, find, click, settle, close } = await card({ editSummary });
  click(TESTID.summaryEdit);
  context.draft!.text = 'Long';
  click(TESTID.summarySave);
  await settle();
  expect(find(TESTID.errorCard)?.dataset.code).toBe('disk_full');
  const area = find<HTMLTextAreaElement>(TESTID.summaryText)!;
  expect(area.value).toBe('Long');
  area.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape', bubbles: true }));
  await settle();
  expect(find(TESTID.summaryText)).toBeNull();
  expect(document.activeElement).toBe(find(TESTID.summaryEdit));
  await close();
});

it('a summary is written anew, which can be stopped', async () => {
  let written: (summary: Summary) => void = () => {};
  const rewriteSummary = vi.fn(() => new Promise<Summary>((resolve) => (written = resolve)));
  const { backend, find, click, settle, close } = await card({ rewriteSummary });
  click(TESTID.summaryRewrite);
  expect(find(TESTID.summaryWords)?.getAttribute('aria-busy')).toBe('true');
  click(TESTID.summaryStop);
  expect(backend.stopped).toEqual(['a0']);
  written({ messageId: 'a0', text: 'Anew.', edited: false });
  await settle();
  expect(find(TESTID.summaryWords)?.textContent).toBe('Anew.');
  await close();
});

it('the panel names what is chosen, counts the messages, and warns of a question that is refused', async () => {
  const { context } = await opened({
    overflow: 'error',
    next: next({ refused: true, droppedTo: 'a0' }),
  });
  const panel = mount(ContextPanel, { target: document.body, props: { context } });
  flushSync();
  const select = document.querySelector<HTMLSelectElement>(
    `[data-testid="${TESTID.contextOverflow}"]`,
  )!;
  expect(select.value).toBe('error');
  expect(document.body.textContent).not.toContain('The settings say');
  const counts = document.querySelector(`[data-testid="${TESTID.contextMessages}"]`)!;
  expect(counts.textContent.replace(/\s+/g, ' ')).toContain('Read as they stand 4');
  expect(counts.querySelector('dd[data-mark="dropped"]')?.textContent).toBe('2');
  expect(document.querySelector(`[data-testid="${TESTID.contextRefused}"]`)).not.toBeNull();
  await unmount(panel);
});
