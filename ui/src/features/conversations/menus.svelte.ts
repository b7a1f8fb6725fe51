/** What can be done with the list, a folder or a conversation in it, and what is asked before it is done. */
import type { Conversation, Folder } from '../../backend/types';
import { t } from '../../shared/i18n';
import { TESTID } from '../../shared/testids';
import type { MenuEntry } from './ConversationMenu.svelte';
import type { ConversationsController } from './conversations.svelte';

/** Where a menu opens, in the window. */
type Place = { x: number; y: number };

interface Does {
  /** Runs what may fail. */
  attempt: (action: () => Promise<unknown>) => void;
  pin: (id: string, pinned: boolean) => void;
}

export class ListMenus {
  /** The menu that is open. */
  menu = $state.raw<{ at: Place; label: string; entries: MenuEntry[] } | null>(null);
  /** A folder's name is asked for. */
  naming = $state.raw<{
    title: string;
    name: string;
    accept: string;
    onaccept: (name: string) => void;
  } | null>(null);
  /** The form of a file is asked for; without an id that of all conversations. */
  exporting = $state.raw<{ id: string | null; title: string | null } | null>(null);
  /** A conversation, as long as it is asked whether to delete it. */
  deleting = $state.raw<{ id: string; title: string } | null>(null);
  /** A folder, as long as it is asked whether to delete it. */
  removingFolder = $state.raw<Folder | null>(null);
  readonly #conversations: ConversationsController;
  readonly #does: Does;

  constructor(conversations: ConversationsController, does: Does) {
    this.#conversations = conversations;
    this.#does = does;
  }

  openForList(at: Place): void {
    this.menu = { at, label: t('conversations.label'), entries: this.#ofList() };
  }

  openForFolder(at: Place, folder: Folder): void {
    this.menu = { at, label: folder.name, entries: this.#ofFolder(folder) };
  }

  openForConversation(at: Place, conversation: Conversation, rename: () => void): void {
    const entries = this.#ofConversation(conversation, rename);
    this.menu = { at, label: conversation.title, entries };
  }

  #askForFolder(conversation: string | null) {
    this.naming = {
      title: t('conversations.folder.new'),
      name: '',
      accept: t('conversations.folder.make'),
      onaccept: (name) =>
        this.#does.attempt(() => this.#conversations.addFolder(name, conversation)),
    };
  }

  #ofConversation(
    { id, title, pinned, archived, folderId }: Conversation,
    rename: () => void,
  ): MenuEntry[] {
    const move = (name: string, folder: string | null): MenuEntry => ({
      label: name,
      group: t('conversations.menu.folder'),
      testid: TESTID.menuFolder,
      checked: folderId === folder,
      run: () => this.#does.attempt(() => this.#conversations.move(id, folder)),
    });
    return [
      {
        label: pinned ? t('conversations.menu.unpin') : t('conversations.menu.pin'),
        run: () => this.#does.pin(id, !pinned),
      },
      { label: t('common.rename'), testid: TESTID.conversationRename, run: rename },
      {
        label: archived ? t('conversations.menu.unarchive') : t('conversations.menu.archive'),
        testid: TESTID.menuArchive,
        run: () => this.#does.attempt(() => this.#conversations.archive(id, !archived)),
      },
      {
        label: t('conversations.menu.export'),
        testid: TESTID.menuExport,
        run: () => (this.exporting = { id, title }),
      },
      {
        label: t('common.delete'),
        testid: TESTID.conversationDelete,
        danger: true,
        run: () => (this.deleting = { id, title }),
      },
      move(t('conversations.menu.noFolder'), null),
      ...this.#conversations.folders.map((folder) => move(folder.name, folder.id)),
      {
        label: t('conversations.menu.newFolder'),
        group: t('conversations.menu.folder'),
        testid: TESTID.menuNewFolder,
        run: () => this.#askForFolder(id),
      },
    ];
  }

  #ofFolder(folder: Folder): MenuEntry[] {
    return [
      {
        label: t('common.rename'),
        run: () =>
          (this.naming = {
            title: t('conversations.folder.rename'),
            name: folder.name,
            accept: t('common.rename'),
            onaccept: (name) =>
              this.#does.attempt(() => this.#conversations.renameFolder(folder.id, name)),
          }),
      },
      {
        label: t('conversations.folder.delete'),
        danger: true,
        run: () => (this.removingFolder = folder),
      },
    ];
  }

  #ofList(): MenuEntry[] {
    return [
      {
        label: t('conversations.menu.newFolder'),
        testid: TESTID.menuNewFolder,
        run: () => this.#askForFolder(null),
      },
      {
        label: t('conversations.menu.import'),
        testid: TESTID.menuImport,
        run: () => this.#does.attempt(() => this.#conversations.takeIn(false)),
      },
      {
        label: t('conversations.menu.importFolder'),
        testid: TESTID.menuImportFolder,
        run: () => this.#does.attempt(() => this.#conversations.takeIn(true)),
      },
      {
        label: t('conversations.menu.exportAll'),
        testid: TESTID.menuExport,
        run: () => (this.exporting = { id: null, title: null }),
      },
    ];
  }
}
