/** How files, places and folders are told in words. */
import type { Attachment, KnowledgeFolder, Place, SeenDocument } from '../../backend/types';
import { formatBytes, formatCount, formatPercent } from '../../shared/format';

/** What is looked at: a file, or what an answer cites by a number. */
export type PreviewSubject =
  | { kind: 'file'; document: string; name: string }
  | { kind: 'citation'; messageId: string; number: number };

export function aboutFile({ bytes, kind, passages }: Attachment): string {
  const size = formatBytes(bytes);
  return kind === 'image' ? `${size}, picture` : `${size}, ${plural(passages, 'passage')}`;
}

export function plural(count: number, word: string): string {
  return `${formatCount(count)} ${word}${count === 1 ? '' : 's'}`;
}

/** `page 3`, `sheet Sales, row 12`; empty where there is nothing to say. */
export function placeWords({ page, sheet, row, line, heading }: Place): string {
  const parts = [
    page === null ? null : `page ${page}`,
    sheet === null ? null : `sheet ${sheet}`,
    row === null ? null : `row ${row}`,
    line === null ? null : `line ${line}`,
    heading === null || row !== null ? null : heading,
  ];
  return parts.filter((part) => part !== null).join(', ');
}

/** What a model saw of one document, or of one folder. */
export function seenWords({ seen, shown, total, document }: SeenDocument): string {
  switch (seen) {
    case 'whole':
      return 'whole';
    case 'picture':
      return 'seen';
    case 'passages':
      return document === null
        ? `${plural(shown, 'passage')} of ${plural(total, 'file')}`
        : `${formatCount(shown)} passages of ${formatCount(total)}`;
    case 'nothing':
      return 'not seen';
  }
}

export function folderState({ state, files, passages, embedded }: KnowledgeFolder): string {
  switch (state.state) {
    case 'waiting':
      return 'waits for its turn';
    case 'reading':
      return `reading ${formatCount(state.done)} of ${plural(state.total, 'file')}`;
    case 'embedding':
      return `${plural(files, 'file')}, vectors ${formatPercent(state.done, Math.max(1, state.total))}`;
    case 'failed':
      return 'cannot be read';
    case 'ready':
      return embedded > 0 && embedded >= passages
        ? `${plural(files, 'file')}, ${plural(passages, 'passage')}, with vectors`
        : `${plural(files, 'file')}, ${plural(passages, 'passage')}`;
  }
}
