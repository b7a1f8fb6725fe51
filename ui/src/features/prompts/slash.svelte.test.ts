import { flushSync, mount, unmount } from 'svelte';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { fakeBackend } from '../../backend/fake';
import type { SavedPrompt } from '../../backend/types';
import Composer from '../chat/Composer.svelte';
import { DraftStore } from '../chat/drafts';
import { PromptsController } from './prompts.svelte';
import { matching, tokenAt } from './slash.svelte';

function prompt(name: string, text: string): SavedPrompt {
  return { id: name, name, text, createdAt: 1, updatedAt: 1 };
}

const PROMPTS = [
  prompt('Correct', 'Correct the spelling.'),
  prompt('Re-correct', 'Again.'),
  prompt('Translate', 'Translate into {{language|German}}: {{text}}'),
  prompt('Today', 'Today is {{date}}.'),
];

it.each([
  ['/', 1, { start: 0, end: 1, query: '' }],
  ['/tra', 4, { start: 0, end: 4, query: 'tra' }],
  ['/tra', 2, { start: 0, end: 2, query: 't' }],
  ['a\n/t', 4, { start: 2, end: 4, query: 't' }],
  ['a\n/t\nb', 4, { start: 2, end: 4, query: 't' }],
  ['／や', 2, { start: 0, end: 2, query: 'や' }],
  ['/two words', 10, { start: 0, end: 10, query: 'two words' }],
  ['a/', 2, null],
  [' /', 2, null],
  ['/', 0, null],
  ['', 0, null],
  ['/a\n', 3, null],
  [`/${'x'.repeat(81)}`, 82, null],
])('knows whether %j at %i asks for a prompt', (text, caret, wanted) => {
  expect(tokenAt(text, caret)).toEqual(wanted);
});

it.each([
  ['', ['Correct', 'Re-correct', 'Translate', 'Today']],
  ['CORR', ['Correct', 'Re-correct']],
  [' t', ['Translate', 'Today', 'Correct', 'Re-correct']],
  ['late', ['Translate']],
  ['.*', []],
])('finds %j by its letters, those that begin with them first', (query, wanted) => {
  expect(matching(PROMPTS, query).map(({ name }) => name)).toEqual(wanted);
});

/** jsdom has no layout, so nothing ever changes its size. */
class NoResizes {
  observe() {}
  unobserve() {}
  disconnect() {}
}

const onsend = vi.fn();
let composer: ReturnType<typeof mount>;
let drafts: DraftStore;

beforeEach(async () => {
  vi.stubGlobal('ResizeObserver', NoResizes);
  Element.prototype.scrollIntoView = () => {};
  HTMLDialogElement.prototype.showModal = function (this: HTMLDialogElement) {
    this.open = true;
  };
  HTMLDialogElement.prototype.close = function (this: HTMLDialogElement) {
    this.open = false;
  };
  onsend.mockReset();
  const prompts = new PromptsController(fakeBackend({ prompts: () => Promise.resolve(PROMPTS) }));
  await prompts.refresh();
  drafts = new DraftStore({ getItem: () => null, setItem: () => {} });
  const props = { drafts, conversationId: null, session: {}, busy: false, stopping: false };
  composer = mount(Composer, {
    target: document.body,
    props: { ...props, obstacle: null, onsend, onstop: vi.fn(), prompts },
  });
  flushSync();
});
afterEach(() => unmount(composer));

const field = () => document.querySelector<HTMLTextAreaElement>('[data-testid="composer"]')!;
const options = () =>
  [...document.querySelectorAll<HTMLElement>('[role="option"]')].map(
    (option) => `${option.ariaSelected === 'true' ? '>' : ''}${option.dataset.prompt}`,
  );

function type(text: string) {
  field().value = text;
  field().setSelectionRange(text.length, text.length);
  field().dispatchEvent(new InputEvent('input', { bubbles: true }));
  flushSync();
}

function press(key: string, extra: KeyboardEventInit = {}, target: HTMLElement = field()) {
  const event = new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true, ...extra });
  target.dispatchEvent(event);
  flushSync();
  return event;
}

const settle = () => new Promise((resolve) => setTimeout(resolve));

it('opens behind a slash, and keys move in it while the focus stays in the field', () => {
  type('/');
  expect(options()).toEqual(['>Correct', 'Re-correct', 'Translate', 'Today']);
  const list = document.querySelector('[role="listbox"]')!;
  expect(field().getAttribute('aria-controls')).toBe(list.id);
  const active = () => document.getElementById(field().getAttribute('aria-activedescendant')!);
  expect(active()?.dataset.prompt).toBe('Correct');
  press('ArrowUp');
  expect(active()?.dataset.prompt).toBe('Today');
  press('ArrowDown');
  press('ArrowDown');
  expect(active()?.dataset.prompt).toBe('Re-correct');
  type('/tr');
  expect(options()).toEqual(['>Translate']);
  type('/tr!');
  expect(options()).toEqual([]);
  expect(field().hasAttribute('aria-activedescendant')).toBe(false);
  press('Enter');
  expect(onsend).toHaveBeenCalledWith('/tr!');
});

it.each(['Enter', 'Tab'])('puts a prompt in place of its letters with %s', async (key) => {
  type('Hello\n/corr');
  expect(press(key).defaultPrevented).toBe(true);
  await settle();
  expect(field().value).toBe('Hello\nCorrect the spelling.');
  expect(drafts.get(null)).toBe('Hello\nCorrect the spelling.');
  expect(field().selectionStart).toBe(field().value.length);
  expect(onsend).not.toHaveBeenCalled();
  press('Enter');
  expect(onsend).toHaveBeenCalledWith('Hello\nCorrect the spelling.');
});

it('writes the date itself', async () => {
  type('/today');
  press('Enter');
  await settle();
  expect(field().value).toMatch(/^Today is .*\d{4}\.$/);
});

it('is gone after Escape until the next slash, and Escape goes no further', () => {
  const heard = vi.fn();
  window.addEventListener('keydown', heard);
  type('/c');
  press('Escape');
  expect(heard).not.toHaveBeenCalled();
  expect(options()).toEqual([]);
  type('/co');
  expect(options()).toEqual([]);
  type('');
  type('/co');
  expect(options()).toEqual(['>Correct', 'Re-correct']);
  window.removeEventListener('keydown', heard);
});

it('leaves keys to an input method', () => {
  type('/t');
  const at = options();
  for (const key of ['ArrowDown', 'Enter', 'Tab', 'Escape']) {
    expect(press(key, { isComposing: true }).defaultPrevented).toBe(false);
    expect(press(key, { keyCode: 229 } as KeyboardEventInit).defaultPrevented).toBe(false);
  }
  expect(options()).toEqual(at);
  expect(onsend).not.toHaveBeenCalled();
});

it('asks for what a prompt leaves open, one field after the other, and runs nothing of it', async () => {
  type('/trans');
  press('Enter');
  const fields = () => [...document.querySelectorAll<HTMLTextAreaElement>('dialog textarea')];
  expect(fields().map(({ dataset, value }) => [dataset.variable, value])).toEqual([
    ['language', 'German'],
    ['text', ''],
  ]);
  press('Enter', {}, fields()[0]);
  expect(document.activeElement).toBe(fields()[1]);
  fields()[1]!.value = '{{language}} $& <b>';
  fields()[1]!.dispatchEvent(new InputEvent('input', { bubbles: true }));
  expect(press('Enter', { shiftKey: true }, fields()[1]).defaultPrevented).toBe(false);
  press('Enter', {}, fields()[1]);
  await settle();
  expect(fields()).toEqual([]);
  expect(field().value).toBe('Translate into German: {{language}} $& <b>');
});

it('reads the clipboard when it is pressed for, and not before', async () => {
  const readText = vi.fn(() => Promise.resolve('from the clipboard'));
  vi.stubGlobal('navigator', { ...navigator, clipboard: { readText } });
  PROMPTS.push(prompt('Sum up', 'Sum up: {{clipboard}}'));
  type('/sum');
  press('Enter');
  await settle();
  expect(readText).not.toHaveBeenCalled();
  document.querySelector<HTMLElement>('[data-testid="prompt-paste"]')!.click();
  await settle();
  flushSync();
  document.querySelector<HTMLElement>('[data-testid="prompt-insert"]')!.click();
  await settle();
  expect(field().value).toBe('Sum up: from the clipboard');
  PROMPTS.pop();
  vi.unstubAllGlobals();
});
