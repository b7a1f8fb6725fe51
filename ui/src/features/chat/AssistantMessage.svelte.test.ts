import { flushSync, mount, unmount } from 'svelte';
import { expect, it } from 'vitest';
import { fakeMessage } from '../../backend/fake';
import { TESTID } from '../../shared/testids';
import AssistantMessage from './AssistantMessage.svelte';

function droppedNote(dropped: number): string | undefined {
  const message = fakeMessage({ id: 'm2', role: 'assistant', content: 'Good day' });
  const answer = mount(AssistantMessage, {
    target: document.body,
    props: {
      node: { message, alternatives: [message.id], index: 0 },
      content: message.content,
      phase: null,
      dropped,
      stopping: false,
      busy: false,
      onregenerate: () => {},
      onselect: () => {},
      onlink: () => {},
    },
  });
  flushSync();
  const note = document.querySelector(`[data-testid="${TESTID.messageDropped}"]`);
  const text = note?.textContent.trim();
  void unmount(answer);
  return text;
}

it('says how many older messages the model did not see, if it is any', () => {
  expect(droppedNote(0)).toBeUndefined();
  expect(droppedNote(1)).toMatch(/^1 older message no longer fits and was left out/);
  expect(droppedNote(12)).toMatch(/^12 older messages no longer fit and were left out/);
});
