/** What marks are called. */
import type { Overflow } from '../../backend/types';
import type { Mark } from './sight';

export const CHOICES: [Overflow, string][] = [
  ['drop_oldest', 'Go on without the oldest messages'],
  ['summarise', 'Go on with a summary of the oldest messages'],
  ['error', 'Stop with an error'],
];

export const LEGEND: Record<Mark, string> = {
  read: 'Read as they stand',
  summarised: 'Read as a summary',
  dropped: 'Left out',
};

/** What a message's mark says: of the next question, where that is known, and of what the last answer read. */
export function markWords(next: Mark | null, answer: Mark): string | null {
  if (next === null || next === answer) {
    if (answer === 'dropped') return 'Left out of what the model reads';
    return answer === 'summarised' ? 'The model reads a summary of this' : null;
  }
  if (next === 'dropped') return 'Left out from the next question on';
  if (next === 'summarised') return 'Read as a summary from the next question on';
  return 'Read again from the next question on';
}

/** The same for an answer that was picked out. */
export function inspectedWords(mark: Mark): string | null {
  if (mark === 'dropped') return 'That answer did not read this';
  return mark === 'summarised' ? 'That answer read a summary of this' : null;
}
