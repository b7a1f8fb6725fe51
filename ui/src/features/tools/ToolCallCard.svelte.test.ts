import { flushSync, mount, unmount } from 'svelte';
import { expect, it } from 'vitest';
import type { ToolCall } from '../../backend/types';
import { TESTID } from '../../shared/testids';
import ToolCallCard from './ToolCallCard.svelte';

const CALL: ToolCall = {
  id: 't1',
  messageId: 'm1',
  callId: 'c1',
  server: 'files',
  tool: 'read',
  name: 'files_read',
  arguments: '{"path":"a.txt","lines":[1,2]}',
  state: 'done',
  result: {
    text: 'Two lines.',
    structured: '{"lines":["a","b"]}',
    images: [{ mimeType: 'image/png', data: 'A'.repeat(4000) }],
  },
  createdAt: 1,
  startedAt: 2,
  endedAt: 3,
};

const byId = (id: string) => document.querySelector<HTMLElement>(`[data-testid="${id}"]`);

it('shows the whole call as JSON, and goes back to words', () => {
  const card = mount(ToolCallCard, { target: document.body, props: { call: CALL } });
  flushSync();
  byId(TESTID.toolCallToggle)!.click();
  flushSync();
  const words = byId(TESTID.toolCallDetails)!.textContent;
  expect(words).toContain('Two lines.');
  byId(TESTID.toolCallJson)!.click();
  flushSync();
  expect(byId(TESTID.toolCallJson)!.getAttribute('aria-pressed')).toBe('true');
  const shown: unknown = JSON.parse(document.querySelector('pre')!.textContent);
  expect(shown).toMatchObject({
    server: 'files',
    tool: 'read',
    arguments: { path: 'a.txt', lines: [1, 2] },
    result: { text: 'Two lines.', structured: { lines: ['a', 'b'] } },
  });
  expect(document.querySelector('pre')!.textContent.length, 'no picture in it').toBeLessThan(1000);
  expect(document.querySelectorAll('pre')).toHaveLength(1);
  byId(TESTID.toolCallJson)!.click();
  flushSync();
  expect(byId(TESTID.toolCallDetails)!.textContent).toBe(words);
  void unmount(card);
});

it('keeps as text what the model wrote instead of JSON', () => {
  const call = { ...CALL, arguments: '{"path":', result: null };
  const card = mount(ToolCallCard, { target: document.body, props: { call } });
  flushSync();
  byId(TESTID.toolCallToggle)!.click();
  flushSync();
  byId(TESTID.toolCallJson)!.click();
  flushSync();
  const shown: unknown = JSON.parse(document.querySelector('pre')!.textContent);
  expect(shown).toMatchObject({ arguments: '{"path":', result: null });
  void unmount(card);
});
