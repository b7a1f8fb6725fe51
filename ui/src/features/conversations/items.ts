/** What the sidebar lists, in order: headings, folders, conversations, hits of a search. */
import type { ConversationSummary, Folder, Found, FoundMessage } from '../../backend/types';
import { formatCount } from '../../shared/format';
import type { VirtualItem } from '../../shared/ui/virtual';
import { groupByDay } from './groups';
import { t } from '../../shared/i18n';

export type ListItem = VirtualItem &
  (
    | { kind: 'heading'; label: string }
    | { kind: 'folder'; folder: Folder; count: number; isOpen: boolean }
    | { kind: 'conversation'; row: ConversationSummary; inFolder: boolean }
    | { kind: 'hit'; hit: FoundMessage }
    | { kind: 'note'; text: string }
  );

const HEADING = 2.5;
const ROW = 2.125;
const HIT = 5;
const TITLE_HIT = 3.125;
const NOTE = 3;

function heading(label: string): ListItem {
  return { kind: 'heading', key: `heading ${label}`, height: HEADING, focusable: false, label };
}

function conversation(row: ConversationSummary, inFolder = false): ListItem {
  const key = row.conversation.id;
  return { kind: 'conversation', key, height: ROW, focusable: true, row, inFolder };
}

/** Pinned ones first, then folders, then the rest under the day of their last change. */
export function listed(
  rows: readonly ConversationSummary[],
  folders: readonly Folder[],
  openFolders: ReadonlySet<string>,
  now: number,
): ListItem[] {
  const shown = rows.filter(({ conversation }) => !conversation.archived);
  const pinned = shown.filter(({ conversation }) => conversation.pinned);
  const others = shown.filter(({ conversation }) => !conversation.pinned);
  const items: ListItem[] = [];
  if (pinned.length > 0) {
    items.push(heading(t('conversations.pinned')), ...pinned.map((row) => conversation(row)));
  }
  if (folders.length > 0) items.push(heading(t('conversations.folders')));
  for (const folder of folders) {
    const inside = others.filter(({ conversation }) => conversation.folderId === folder.id);
    const isOpen = openFolders.has(folder.id);
    const key = `folder ${folder.id}`;
    const count = inside.length;
    items.push({ kind: 'folder', key, height: ROW, focusable: true, folder, count, isOpen });
    if (isOpen) items.push(...inside.map((row) => conversation(row, true)));
  }
  const loose = others.filter(({ conversation }) => conversation.folderId === null);
  for (const group of groupByDay(loose, now)) {
    items.push(heading(group.label), ...group.rows.map((row) => conversation(row)));
  }
  return items;
}

/** What is in the archive, the latest changed first. */
export function archived(rows: readonly ConversationSummary[]): ListItem[] {
  const inside = rows.filter(({ conversation }) => conversation.archived);
  if (inside.length === 0) return [];
  const label = t('conversations.archive.open', { total: formatCount(inside.length) });
  return [heading(label), ...inside.map((row) => conversation(row))];
}

/** What a search found. */
export function foundItems(found: Found): ListItem[] {
  const hit = (one: FoundMessage): ListItem => ({
    kind: 'hit',
    key: `hit ${one.messageId ?? one.conversation.id}`,
    height: one.messageId === null ? TITLE_HIT : HIT,
    focusable: true,
    hit: one,
  });
  const titles = found.hits.filter(({ messageId }) => messageId === null);
  const messages = found.hits.filter(({ messageId }) => messageId !== null);
  const items: ListItem[] = [];
  if (titles.length > 0) items.push(heading(t('conversations.found.titles')), ...titles.map(hit));
  if (messages.length > 0) {
    const total = formatCount(found.messages);
    const key = found.more ? 'conversations.found.overMessages' : 'conversations.found.messages';
    items.push(heading(t(key, { total })), ...messages.map(hit));
  }
  if (found.messages > messages.length) {
    const text = t('conversations.found.first', { count: messages.length });
    items.push({ kind: 'note', key: 'note', height: NOTE, focusable: false, text });
  }
  return items;
}
