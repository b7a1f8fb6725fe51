/** The files of one open conversation: those that wait to be sent, those of its messages, and what its answers saw. */
import { toErrorInfo, type Backend } from '../../backend';
import type {
  AnswerSources,
  Attachment,
  Citation,
  ConversationFiles,
  ErrorInfo,
  SentWith,
} from '../../backend/types';
import { t } from '../../shared/i18n';
import { isTemporary } from '../chat/drafts';

/** A file on its way into the next message. */
export interface StagedFile {
  key: number;
  name: string;
  attachment: Attachment | null;
  error: ErrorInfo | null;
}

/** An answer that saw files, and its place on the branch. */
export interface Seen {
  place: number;
  id: string;
  citations: Citation[];
}

/** More than this is not pasted: it would go through memory several times. */
const MOST_PASTED = 32 * 1024 * 1024;

export class SessionFiles {
  /** In the order in which they were added. */
  staged = $state.raw<StagedFile[]>([]);
  /** Files of messages, by the message. */
  attachments = $state.raw<Record<string, Attachment[]>>({});
  /** What answers saw, by the answer. */
  sources = $state.raw<Record<string, AnswerSources>>({});
  /** Ids of the folders that are searched. */
  folders = $state.raw<string[]>([]);

  #conversationId: string | null = null;
  /** Whether the folders are those of the assistant, which the user has not changed. */
  #follows = false;
  #nextKey = 0;
  readonly #backend: Backend;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** Whether a file is still being read. */
  readonly reading = $derived(
    this.staged.some(({ attachment, error }) => attachment === null && error === null),
  );
  readonly hasPicture = $derived(
    this.staged.some(({ attachment }) => attachment?.kind === 'image'),
  );
  readonly #ready = $derived(
    this.staged.flatMap(({ attachment }) => (attachment ? [attachment] : [])),
  );

  /** Reads what a conversation has of files. That it cannot be read is no reason not to show its words. */
  async load(conversationId: string): Promise<void> {
    this.#conversationId = conversationId;
    try {
      this.#show(await this.#backend.conversationFiles(conversationId));
    } catch {
      // The words are there; the files come with the next look.
    }
  }

  #show({ attachments, sources, folders }: ConversationFiles): void {
    this.attachments = Object.fromEntries(
      attachments.map((one) => [one.messageId, one.attachments]),
    );
    // What an answer told meanwhile was perhaps not stored yet when this was read.
    const stored = Object.fromEntries(sources.map((one) => [one.messageId, one]));
    this.sources = { ...stored, ...this.sources };
    this.folders = folders;
  }

  add(paths: string[]): void {
    for (const path of paths) {
      const name = path.split(/[/\\]/).at(-1) ?? path;
      void this.#stage(name, () => this.#backend.attachFile(path));
    }
  }

  /** Takes files from the clipboard. */
  paste(files: File[]): void {
    for (const file of files) {
      const name = file.name || `pasted.${file.type.split('/').at(-1) ?? 'bin'}`;
      void this.#stage(name, async () => {
        if (file.size > MOST_PASTED) throw tooLarge(name);
        return this.#backend.attachBytes(name, await base64(file));
      });
    }
  }

  async #stage(name: string, read: () => Promise<Attachment>): Promise<void> {
    const key = this.#nextKey++;
    // Reading it would keep a copy of it.
    if (isTemporary(this.#conversationId)) {
      this.staged = [...this.staged, { key, name, attachment: null, error: noFiles() }];
      return;
    }
    this.staged = [...this.staged, { key, name, attachment: null, error: null }];
    const settle = (change: Partial<StagedFile>) => {
      this.staged = this.staged.map((one) => (one.key === key ? { ...one, ...change } : one));
    };
    try {
      const attachment = await read();
      const twice = this.#ready.some(({ document }) => document === attachment.document);
      if (twice) this.remove(key);
      else settle({ attachment, name: attachment.name });
    } catch (cause) {
      settle({ error: toErrorInfo(cause) });
    }
  }

  remove(key: number): void {
    this.staged = this.staged.filter((one) => one.key !== key);
  }

  /** A conversation that has not begun searches what its assistant does, until the user chooses. */
  follow(folders: string[]): void {
    if (this.#conversationId !== null) return;
    this.folders = folders;
    this.#follows = true;
  }

  /** Searches a folder from now on, or no longer. */
  async toggleFolder(id: string): Promise<void> {
    this.#follows = false;
    const before = this.folders;
    this.folders = before.includes(id) ? before.filter((one) => one !== id) : [...before, id];
    if (this.#conversationId === null) return;
    try {
      await this.#backend.setConversationFolders(this.#conversationId, this.folders);
    } catch (cause) {
      this.folders = before;
      throw toErrorInfo(cause);
    }
  }

  /** The folders that the user chose for a conversation that has not begun; `null` leaves them to its assistant. */
  chosenFolders(): string[] | null {
    return this.#conversationId === null && !this.#follows ? this.folders : null;
  }

  /** What goes with the next message; nothing, if nothing does. */
  sentWith(): SentWith | undefined {
    const attachments = this.#ready.map(({ document, name }) => ({ document, name }));
    const chosen = this.chosenFolders();
    if (attachments.length === 0 && (chosen === null || chosen.length === 0)) return undefined;
    return { attachments, folders: chosen };
  }

  /** A message reached the database: what was staged went with it. */
  began(conversationId: string, messageId: string | null): void {
    this.#conversationId = conversationId;
    if (messageId === null) return;
    if (this.#ready.length > 0) {
      this.attachments = { ...this.attachments, [messageId]: this.#ready };
      this.staged = this.staged.filter(({ attachment }) => attachment === null);
    }
    // Another version of a message has the files of the one before.
    if (Object.keys(this.attachments).length > 0) void this.load(conversationId);
  }

  saw(sources: AnswerSources): void {
    this.sources = { ...this.sources, [sources.messageId]: sources };
  }

  /** The answers of a branch that saw files, from the first. */
  seenOn(branch: readonly { message: { id: string } }[]): Seen[] {
    const { sources } = this;
    if (Object.keys(sources).length === 0) return [];
    return branch.flatMap(({ message: { id } }, place) =>
      sources[id] ? [{ place, id, citations: sources[id].citations }] : [],
    );
  }
}

/** What the answer at a place of a branch, or one before it, may cite, by the number. */
export function citationsAt(place: number, seen: readonly Seen[]): Map<number, [string, Citation]> {
  // Made anew for each drawing.
  // eslint-disable-next-line svelte/prefer-svelte-reactivity
  return new Map(
    seen
      .filter((one) => one.place <= place)
      .flatMap(({ id, citations }) =>
        citations.map((citation): [number, [string, Citation]] => [
          citation.number,
          [id, citation],
        ]),
      ),
  );
}

/** As the application would refuse it, in words that are translated already. */
function noFiles(): ErrorInfo {
  return {
    code: 'files_leave_traces',
    message: t('overflow.files.message'),
    nextStep: t('overflow.files.nextStep'),
  };
}

function tooLarge(name: string): ErrorInfo {
  return {
    code: 'file_too_large_to_read',
    message: t('knowledge.tooLarge.message', { name }),
    nextStep: t('knowledge.tooLarge.nextStep'),
  };
}

function base64(file: File): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result).split(',', 2)[1] ?? '');
    reader.onerror = () => reject(reader.error ?? new Error(t('knowledge.clipboard')));
    reader.readAsDataURL(file);
  });
}
