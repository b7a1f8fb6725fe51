/** What marks and choices are called. */
import type { Overflow } from '../../backend/types';
import type { Key } from '../../shared/i18n';
import type { Mark } from './sight';

/** In the order in which they are offered. */
export const CHOICES: Overflow[] = ['drop_oldest', 'summarise', 'error'];

/** What a message's mark says: of the next question, where that is known, and of what the last answer read. */
export function markWords(next: Mark | null, answer: Mark): Key | null {
  if (next === null || next === answer) {
    return answer === 'read' ? null : `overflow.mark.${answer}`;
  }
  return `overflow.mark.${next}Next`;
}

/** The same for an answer that was picked out. */
export function inspectedWords(mark: Mark): Key | null {
  return mark === 'read' ? null : `overflow.mark.${mark}Then`;
}
