import { flushSync, mount, unmount } from 'svelte';
import { expect, it } from 'vitest';
import { fakeMessage } from '../../backend/fake';
import { TESTID } from '../../shared/testids';
import AssistantMessage from './AssistantMessage.svelte';

function noteOf(
  counts: { dropped: number; summarised: number },
  testid: string,
): string | undefined {
  const message = fakeMessage({ id: 'm2', role: 'assistant', content: 'Good day' });
  const answer = mount(AssistantMessage, {
    target: document.body,
    props: {
      node: { message, alternatives: [message.id], index: 0 },
      content: message.content,
      phase: null,
      ...counts,
      stopping: false,
      busy: false,
      onregenerate: () => {},
      onselect: () => {},
      onlink: () => {},
    },
  });
  flushSync();
  const note = document.querySelector(`[data-testid="${testid}"]`);
  const text = note?.textContent.trim();
  void unmount(answer);
  return text;
}

it('says how many older messages the model did not see, if it is any', () => {
  const droppedNote = (dropped: number) =>
    noteOf({ dropped, summarised: 0 }, TESTID.messageDropped);
  expect(droppedNote(0)).toBeUndefined();
  expect(droppedNote(1)).toMatch(/^1 older message no longer fits and was left out/);
  expect(droppedNote(12)).toMatch(/^12 older messages no longer fit and were left out/);
});

it('says in place of how many older messages the model saw a summary', () => {
  const note = (summarised: number) => noteOf({ dropped: 0, summarised }, TESTID.messageSummarised);
  expect(note(0)).toBeUndefined();
  expect(note(1)).toBe('The model read a summary in place of 1 older message.');
  expect(note(12)).toBe('The model read a summary in place of 12 older messages.');
});
