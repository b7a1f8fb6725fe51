import { describe, expect, it } from 'vitest';
import { fakeMessage } from '../../backend/fake';
import type { Message } from '../../backend/types';
import { branchTo, withRoundsJoined } from '../chat/tree';
import { t } from '../../shared/i18n';
import { NOTHING, countMarks, endsByCounts, endsOf, markAt, placeOf, type Mark } from './sight';
import { inspectedWords, markWords } from './words';

/** Question, answer with a call, its result, the rest of the answer; question, answer. */
function messages(): Message[] {
  const roles = ['user', 'assistant', 'tool', 'assistant', 'user', 'assistant'] as const;
  return roles.map((role, at) =>
    fakeMessage({ id: `m${at}`, parentId: at === 0 ? null : `m${at - 1}`, role }),
  );
}

const branch = () => withRoundsJoined(branchTo(messages(), 'm5'));

describe('places on a branch', () => {
  it('are those of what is shown', () => {
    const all = messages();
    const places = ['m0', 'm1', 'm2', 'm3', 'm4', 'm5'].map((id) => placeOf(id, branch(), all));
    // The rounds of an answer are one.
    expect(places).toEqual([0, 1, 1, 1, 2, 3]);
    expect(placeOf(null, branch(), all)).toBe(-1);
    expect(placeOf('of another branch', branch(), all)).toBe(-1);
  });

  it('of a branch of which only the end is here, nothing is said', () => {
    const end = messages().slice(4);
    const shown = withRoundsJoined(branchTo(end, 'm5'));
    expect(endsOf({ summarisedTo: 'm1', droppedTo: null }, shown, end)).toEqual(NOTHING);
  });

  it('are counted where only numbers were kept', () => {
    expect(endsByCounts(0, 0, branch())).toEqual(NOTHING);
    expect(endsByCounts(0, 4, branch())).toEqual({ summarised: -1, dropped: 1 });
    expect(endsByCounts(4, 1, branch())).toEqual({ summarised: 1, dropped: 2 });
  });
});

it('what is left out follows what the summary is of', () => {
  const ends = { summarised: 0, dropped: 2 };
  const marks = [0, 1, 2, 3].map((place) => markAt(place, ends));
  expect(marks).toEqual(['summarised', 'dropped', 'dropped', 'read']);
  expect(countMarks(4, ends)).toEqual({ summarised: 1, dropped: 2, read: 1 });
  expect(countMarks(2, { summarised: -1, dropped: 5 })).toEqual({
    summarised: 0,
    dropped: 2,
    read: 0,
  });
});

it('each mark has words, for the next question and for what the last answer read', () => {
  expect(markWords(null, 'read')).toBeNull();
  expect(markWords('read', 'read')).toBeNull();
  const words = (next: Mark | null, answer: Mark) => t(markWords(next, answer)!);
  expect(words(null, 'dropped')).toBe('Left out of what the model reads');
  expect(words('dropped', 'dropped')).toBe('Left out of what the model reads');
  expect(words('summarised', 'summarised')).toBe('The model reads a summary of this');
  expect(words('dropped', 'read')).toBe('Left out from the next question on');
  expect(words('summarised', 'dropped')).toBe('Read as a summary from the next question on');
  expect(words('read', 'summarised')).toBe('Read again from the next question on');
  expect(inspectedWords('read')).toBeNull();
  expect(t(inspectedWords('dropped')!)).toBe('That answer did not read this');
});
