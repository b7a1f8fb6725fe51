/** The list in the sidebar, its folders and archive, and the search that takes its place. */
import { SvelteSet } from 'svelte/reactivity';
import { toErrorInfo, type Backend } from '../../backend';
import type {
  ConversationSummary,
  ErrorInfo,
  ExportFormat,
  FindQuery,
  Folder,
  Found,
  ImportReport,
  Role,
} from '../../backend/types';
import { archived, foundItems, listed } from './items';
import { t } from '../../shared/i18n';

/** Typing is searched once it pauses this long, in milliseconds. */
const SEARCH_AFTER = 150;

export interface Filters {
  model: string | null;
  role: Role | null;
  folder: string | null;
  /** Days as `2026-11-27`, both included. */
  from: string;
  to: string;
  archived: boolean;
  latestFirst: boolean;
}

export const NO_FILTERS: Filters = {
  model: null,
  role: null,
  folder: null,
  from: '',
  to: '',
  archived: false,
  latestFirst: false,
};

export class ConversationsController {
  rows = $state.raw<ConversationSummary[]>([]);
  folders = $state.raw<Folder[]>([]);
  query = $state('');
  filters = $state.raw<Filters>(NO_FILTERS);
  found = $state.raw<Found | null>(null);
  /** Whether the archive is on show. */
  inArchive = $state(false);
  loaded = $state(false);
  error = $state.raw<ErrorInfo | null>(null);
  /** What came of the last import, as long as that is on show. */
  report = $state.raw<ImportReport | null>(null);
  importing = $state(false);

  readonly openFolders = new SvelteSet<string>();
  #asked = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;
  readonly #backend: Backend;
  readonly #onRead: (rows: ConversationSummary[]) => void;

  /** `onRead` hears of the list as it is now, whenever it was read. */
  constructor(backend: Backend, onRead: (rows: ConversationSummary[]) => void = () => {}) {
    this.#backend = backend;
    this.#onRead = onRead;
  }

  readonly filtered = $derived(
    this.filters.model !== null ||
      this.filters.role !== null ||
      this.filters.folder !== null ||
      this.filters.from !== '' ||
      this.filters.to !== '',
  );
  readonly searching = $derived(this.query.trim() !== '' || this.filtered);
  readonly archivedCount = $derived(
    this.rows.filter(({ conversation }) => conversation.archived).length,
  );
  readonly items = $derived.by(() => {
    if (this.searching) return this.found === null ? [] : foundItems(this.found);
    if (this.inArchive) return archived(this.rows);
    return listed(this.rows, this.folders, this.openFolders, Date.now());
  });
  /** Models that wrote something here, for the filter. */
  readonly models = $derived(
    this.rows
      .flatMap(({ conversation }) => conversation.model ?? [])
      .filter((model, index, all) => all.indexOf(model) === index)
      .sort(),
  );

  search(query: string): void {
    this.query = query;
    this.refreshSoon();
  }

  filter(change: Partial<Filters>): void {
    this.filters = { ...this.filters, ...change };
    this.refreshSoon();
  }

  toggleFolder(id: string): void {
    if (!this.openFolders.delete(id)) this.openFolders.add(id);
  }

  /** Many changes in a row cost one look. */
  refreshSoon(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.refresh(), SEARCH_AFTER);
  }

  async refresh(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const asked = ++this.#asked;
    const searching = this.searching;
    try {
      const [rows, folders, found] = await Promise.all([
        this.#backend.listConversations(null),
        this.#backend.folders(),
        searching ? this.#backend.findMessages(this.#findQuery()) : null,
      ]);
      if (asked !== this.#asked) return;
      this.rows = rows;
      this.folders = folders;
      this.found = found;
      this.error = null;
      this.#onRead(rows);
    } catch (cause) {
      if (asked === this.#asked) this.error = toErrorInfo(cause);
    } finally {
      this.loaded = true;
    }
  }

  #findQuery(): FindQuery {
    const { model, role, folder, from, to, archived, latestFirst } = this.filters;
    return {
      text: this.query.trim(),
      model,
      role,
      folder,
      from: startOf(from, 0),
      to: startOf(to, 1),
      archived,
      latestFirst,
    };
  }

  async rename(id: string, title: string): Promise<void> {
    await this.#backend.renameConversation(id, title);
    await this.refresh();
  }

  async pin(id: string, pinned: boolean): Promise<void> {
    await this.#backend.pinConversation(id, pinned);
    await this.refresh();
  }

  async archive(id: string, archived: boolean): Promise<void> {
    await this.#backend.archiveConversation(id, archived);
    await this.refresh();
    if (this.archivedCount === 0) this.inArchive = false;
  }

  async remove(id: string): Promise<void> {
    await this.#backend.deleteConversation(id);
    await this.refresh();
  }

  /** Puts a conversation into a folder, or with `null` into none. */
  async move(id: string, folder: string | null): Promise<void> {
    await this.#backend.moveConversation(id, folder);
    if (folder !== null) this.openFolders.add(folder);
    await this.refresh();
  }

  /** Makes a folder, and puts a conversation into it at once if one is given. */
  async addFolder(name: string, conversation: string | null = null): Promise<void> {
    const folder = await this.#backend.createFolder(name);
    if (conversation !== null) await this.#backend.moveConversation(conversation, folder.id);
    this.openFolders.add(folder.id);
    await this.refresh();
  }

  async renameFolder(id: string, name: string): Promise<void> {
    await this.#backend.renameFolder(id, name);
    await this.refresh();
  }

  async removeFolder(id: string): Promise<void> {
    await this.#backend.deleteFolder(id);
    await this.refresh();
  }

  /** Asks where to, and writes. Gives how many were written; `null` when the user thought better of it. */
  async save(id: string | null, format: ExportFormat, title: string): Promise<number | null> {
    const isFolder = id === null && format !== 'json';
    const name = `${title.replaceAll(/[^\p{L}\p{N} -]+/gu, ' ').trim() || t('conversations.export.fileNameOne')}`;
    const path = isFolder
      ? await this.#backend.chooseFolder()
      : await this.#backend.chooseSavePath(name, EXTENSIONS[format]);
    if (path === null) return null;
    return this.#backend.exportConversations(id === null ? null : [id], format, path);
  }

  /** Asks for exports of Lantern or other programs, and takes them in. */
  async takeIn(folder: boolean): Promise<void> {
    const paths = folder
      ? [await this.#backend.chooseFolder()].filter((path) => path !== null)
      : await this.#backend.chooseExports();
    if (paths.length === 0) return;
    this.importing = true;
    try {
      this.report = await this.#backend.importConversations(paths);
    } finally {
      this.importing = false;
    }
    await this.refresh();
  }
}

const EXTENSIONS: Record<ExportFormat, string> = { json: 'json', markdown: 'md', html: 'html' };

/** The beginning of a day, some days later, in milliseconds; `null` without a day. */
function startOf(day: string, later: number): number | null {
  const [year, month, date] = day.split('-').map(Number);
  if (year === undefined || month === undefined || date === undefined) return null;
  const time = new Date(year, month - 1, date + later).getTime();
  return Number.isNaN(time) ? null : time;
}
