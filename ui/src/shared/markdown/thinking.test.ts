import { describe, expect, it } from 'vitest';
import { splitThinking } from './thinking';

const WHOLE = '<think>\nHmm, a or b.\n</think>\n\nThe answer.';

describe('thoughts', () => {
  it('are taken from in front of the answer', () => {
    expect(splitThinking(WHOLE, false)).toEqual({
      thinking: 'Hmm, a or b.',
      thought: true,
      answer: 'The answer.',
    });
  });

  it('may have been opened by the prompt', () => {
    expect(splitThinking('Hmm.</think>Yes.', false)).toEqual({
      thinking: 'Hmm.',
      thought: true,
      answer: 'Yes.',
    });
  });

  it('are none when the tag stands inside the answer', () => {
    const text = 'Write `<think>` and `</think>` around it.';
    expect(splitThinking(text, false)).toEqual({ thinking: null, thought: false, answer: text });
  });

  it('that were cut off are still thoughts', () => {
    expect(splitThinking('<think>Hm', false)).toEqual({
      thinking: 'Hm',
      thought: true,
      answer: '',
    });
  });

  it('never show a piece of a tag while they arrive', () => {
    for (let length = 1; length <= WHOLE.length; length += 1) {
      const { thinking, answer } = splitThinking(WHOLE.slice(0, length), true);
      expect(thinking ?? '').not.toMatch(/<\/?t?h?i?n?k?>?$/);
      expect(answer).not.toContain('<');
    }
  });
});
