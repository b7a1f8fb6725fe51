/** What came of an import, in a few words. */
import type { ImportReport } from '../../backend/types';
import { t } from '../../shared/i18n';

export function titleOf({ files }: ImportReport): string {
  const count = files.reduce((sum, file) => sum + file.conversations, 0);
  if (count > 0) return t('conversations.import.title', { count });
  // What is partly here and partly unreadable is not all here.
  if (files.some(({ error }) => error !== null)) return t('conversations.import.nothing');
  return files.some(({ known }) => known > 0)
    ? t('conversations.import.nothingNew')
    : t('conversations.import.nothingFound');
}
