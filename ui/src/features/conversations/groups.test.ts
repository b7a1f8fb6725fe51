import { expect, it } from 'vitest';
import { fakeConversation } from '../../backend/fake';
import { setLanguage } from '../../shared/i18n';
import { groupByDay, snippetParts } from './groups';

const at = (...date: [number, number, number, number?]) => {
  const [year, month, day, hour = 12] = date;
  return new Date(year, month - 1, day, hour).getTime();
};

it('conversations stand under the day they were last touched', () => {
  const times = [
    at(2026, 3, 10, 9),
    at(2026, 3, 10, 0),
    at(2026, 3, 9, 23),
    at(2026, 3, 5),
    at(2026, 2, 20),
    at(2026, 2, 1),
    at(2025, 2, 1),
  ];
  const rows = times.map((updatedAt, index) => ({
    conversation: fakeConversation({ id: `c${index}`, updatedAt }),
    snippet: null,
  }));
  const groups = groupByDay(rows, at(2026, 3, 10, 10));
  expect(groups.map(({ label, rows }) => [label, rows.length])).toEqual([
    ['Today', 2],
    ['Yesterday', 1],
    ['Last 7 days', 1],
    ['February', 2],
    ['February 2025', 1],
  ]);
});

it('a month begins with a capital in every language', async () => {
  const row = { conversation: fakeConversation({ updatedAt: at(2026, 2, 1) }), snippet: null };
  const heading = () => groupByDay([row], at(2026, 3, 10))[0]?.label;
  await setLanguage('pt');
  expect(heading()).toBe('Fevereiro');
  await setLanguage('fr');
  expect(heading()).toBe('Février');
  await setLanguage('en');
  expect(heading()).toBe('February');
});

it('a passage falls apart into matches and the text between them', () => {
  expect(snippetParts('… a \u2068lens\u2069 and a \u2068lamp\u2069')).toEqual([
    { text: '… a ', match: false },
    { text: 'lens', match: true },
    { text: ' and a ', match: false },
    { text: 'lamp', match: true },
  ]);
  expect(snippetParts('<b>plain</b>')).toEqual([{ text: '<b>plain</b>', match: false }]);
});
