/** How files, places and folders are told in words. */
import type { Attachment, KnowledgeFolder, Place, SeenDocument } from '../../backend/types';
import { formatBytes, formatCount, formatList, formatPercent } from '../../shared/format';
import { t } from '../../shared/i18n';

/** What is looked at: a file, or what an answer cites by a number. */
export type PreviewSubject =
  | { kind: 'file'; document: string; name: string }
  | { kind: 'citation'; messageId: string; number: number };

export function aboutFile({ bytes, kind, passages }: Attachment): string {
  const size = formatBytes(bytes);
  return kind === 'image'
    ? t('knowledge.file.picture', { size })
    : t('knowledge.file.text', { size, passages: t('knowledge.passages', { count: passages }) });
}

/** `page 3`, `sheet Sales, row 12`; empty where there is nothing to say. */
export function placeWords({ page, sheet, row, line, heading }: Place): string {
  const parts = [
    page === null ? null : t('knowledge.place.page', { page }),
    sheet === null ? null : t('knowledge.place.sheet', { sheet }),
    row === null ? null : t('knowledge.place.row', { row }),
    line === null ? null : t('knowledge.place.line', { line }),
    heading === null || row !== null ? null : heading,
  ];
  return formatList(parts.filter((part) => part !== null));
}

/** What a model saw of one document, or of one folder. */
export function seenWords({ seen, shown, total, document }: SeenDocument): string {
  switch (seen) {
    case 'whole':
      return t('knowledge.seen.whole');
    case 'picture':
      return t('knowledge.seen.picture');
    case 'passages':
      return document === null
        ? t('knowledge.seen.passagesOfFiles', {
            passages: t('knowledge.passages', { count: shown }),
            files: t('knowledge.files', { count: total }),
          })
        : t('knowledge.seen.passages', { count: shown, total: formatCount(total) });
    case 'nothing':
      return t('knowledge.seen.nothing');
  }
}

export function folderState(folder: KnowledgeFolder): string {
  const { state, embedded } = folder;
  const files = t('knowledge.files', { count: folder.files });
  const passages = t('knowledge.passages', { count: folder.passages });
  switch (state.state) {
    case 'waiting':
      return t('knowledge.folder.waiting');
    case 'reading':
      return t('knowledge.folder.reading', { done: formatCount(state.done), count: state.total });
    case 'embedding':
      return t('knowledge.folder.embedding', {
        files,
        percent: formatPercent(state.done, Math.max(1, state.total)),
      });
    case 'failed':
      return t('knowledge.folder.failed');
    case 'ready':
      return embedded > 0 && embedded >= folder.passages
        ? t('knowledge.folder.readyVectors', { files, passages })
        : t('knowledge.folder.ready', { files, passages });
  }
}
