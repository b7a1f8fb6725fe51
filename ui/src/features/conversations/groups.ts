/** Conversations under the headings of the sidebar: today, yesterday, the last week, and then month by month. */
import { formatDate } from '../../shared/format';
import type { ConversationSummary } from '../../backend/types';
import { locale, t } from '../../shared/i18n';

export interface Group {
  label: string;
  rows: ConversationSummary[];
}

const DAY = 24 * 60 * 60 * 1000;

/** Groups rows that are already in order, latest first. `now` in milliseconds since the Unix epoch. */
export function groupByDay(rows: readonly ConversationSummary[], now: number): Group[] {
  const groups: Group[] = [];
  for (const row of rows) {
    const label = labelFor(row.conversation.updatedAt, now);
    const last = groups.at(-1);
    if (last?.label === label) last.rows.push(row);
    else groups.push({ label, rows: [row] });
  }
  return groups;
}

function labelFor(time: number, now: number): string {
  const days = Math.round((startOfDay(now) - startOfDay(time)) / DAY);
  if (days <= 0) return t('conversations.days.today');
  if (days === 1) return t('conversations.days.yesterday');
  if (days < 7) return t('conversations.days.week');
  const date = new Date(time);
  const sameYear = date.getFullYear() === new Date(now).getFullYear();
  const month = formatDate(time, {
    month: 'long',
    ...(sameYear ? {} : { year: 'numeric' }),
  });
  // A heading begins with a capital, also where months are written small within a sentence.
  return month.charAt(0).toLocaleUpperCase(locale()) + month.slice(1);
}

function startOfDay(time: number): number {
  return new Date(time).setHours(0, 0, 0, 0);
}

export interface SnippetPart {
  text: string;
  match: boolean;
}

/** A search passage, cut at the marks (U+2068 … U+2069) that the search puts around each match. */
export function snippetParts(snippet: string): SnippetPart[] {
  return snippet
    .split(/(\u2068[^\u2069]*\u2069?)/)
    .filter((part) => part !== '')
    .map((part) => ({
      text: part.replaceAll(/[\u2068\u2069]/g, ''),
      match: part.startsWith('\u2068'),
    }));
}
