import { flushSync, mount, unmount } from 'svelte';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import Composer from './Composer.svelte';
import { DraftStore } from './drafts';

let drafts: DraftStore;
let props: ReturnType<typeof given>;
let composer: ReturnType<typeof mount>;
const onsend = vi.fn();
const onstop = vi.fn();

function given() {
  const props = $state({
    drafts,
    conversationId: null as string | null,
    session: {},
    busy: false,
    stopping: false,
    obstacle: null as string | null,
    onsend,
    onstop,
  });
  return props;
}

/** jsdom has no layout, so nothing ever changes its size. */
class NoResizes {
  observe() {}
  unobserve() {}
  disconnect() {}
}

beforeEach(() => {
  vi.stubGlobal('ResizeObserver', NoResizes);
  onsend.mockReset();
  onstop.mockReset();
  drafts = new DraftStore({ getItem: () => null, setItem: () => {} });
  props = given();
  composer = mount(Composer, { target: document.body, props });
  flushSync();
});
afterEach(() => unmount(composer));

const field = () => document.querySelector('textarea')!;
const find = (testid: string) =>
  document.querySelector<HTMLButtonElement>(`[data-testid="${testid}"]`);

function type(text: string) {
  field().value = text;
  field().dispatchEvent(new InputEvent('input', { bubbles: true }));
  flushSync();
}

function press(key: string, extra: KeyboardEventInit = {}) {
  const event = new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true, ...extra });
  field().dispatchEvent(event);
  flushSync();
  return event;
}

it('Enter sends and empties the field', () => {
  type('Hello');
  expect(press('Enter').defaultPrevented).toBe(true);
  expect(onsend).toHaveBeenCalledExactlyOnceWith('Hello');
  expect(field().value).toBe('');
});

it('Shift+Enter breaks the line, and an input method keeps its Enter', () => {
  type('Hello');
  expect(press('Enter', { shiftKey: true }).defaultPrevented).toBe(false);
  press('Enter', { isComposing: true });
  expect(onsend).not.toHaveBeenCalled();
});

it('sends neither white space nor while an answer is written nor without a model', () => {
  type('  \n ');
  press('Enter');
  type('Hello');
  props.busy = true;
  flushSync();
  press('Enter');
  expect(find('send')).toBeNull();
  find('stop')?.click();
  expect(onstop).toHaveBeenCalledOnce();
  props.busy = false;
  props.obstacle = 'Get a model first';
  flushSync();
  press('Enter');
  expect(find('send')?.disabled).toBe(true);
  expect(onsend).not.toHaveBeenCalled();
});

it('keeps words with the conversation that they were typed in', () => {
  type('for the new one');
  props.conversationId = 'other';
  props.session = {};
  props.busy = true;
  flushSync();
  expect(field().value).toBe('');
  type('for the other');
  props.conversationId = null;
  props.session = {};
  flushSync();
  expect(field().value).toBe('for the new one');
  expect(drafts.get('other')).toBe('for the other');
});

it('keeps what is being typed when a new conversation gets its id', () => {
  props.busy = true;
  flushSync();
  type('a second thought');
  props.conversationId = 'c1';
  flushSync();
  expect(field().value).toBe('a second thought');
  expect(drafts.get('c1')).toBe('a second thought');
  expect(drafts.get(null)).toBe('');
});
