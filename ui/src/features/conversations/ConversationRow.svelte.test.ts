import { flushSync, mount, unmount } from 'svelte';
import { expect, it, vi } from 'vitest';
import { fakeBackend, fakeConversation } from '../../backend/fake';
import { TESTID } from '../../shared/testids';
import { ConversationsController } from './conversations.svelte';
import ConversationRow from './ConversationRow.svelte';
import { ListMenus } from './menus.svelte';

function shown() {
  const conversation = fakeConversation({ title: 'A long title that wants its room' });
  const menus = new ListMenus(new ConversationsController(fakeBackend()), {
    attempt: (action) => void action(),
    pin: vi.fn(),
  });
  const props = {
    row: { conversation, snippet: null },
    open: false,
    active: true,
    inFolder: false,
    onopen: vi.fn(),
    onrename: vi.fn(),
    onpin: vi.fn(),
    ondelete: vi.fn(),
    onmenu: (at: { x: number; y: number }, rename: () => void) =>
      menus.openForConversation(at, conversation, rename),
  };
  const row = mount(ConversationRow, { target: document.body, props });
  flushSync();
  return { row, menus, props };
}

const byId = (id: string) => document.querySelector<HTMLElement>(`[data-testid="${id}"]`);

it('leaves its room to the title: beside it are the menu and one button', () => {
  const { row } = shown();
  const beside = [...document.querySelectorAll('.actions button')];
  expect(beside.map((one) => one.getAttribute('data-testid'))).toEqual([
    TESTID.conversationPin,
    TESTID.conversationMore,
  ]);
  expect(beside.every((one) => one.getAttribute('tabindex') === '0')).toBe(true);
  void unmount(row);
});

it('renames and deletes from its menu, and by keys', () => {
  const { row, menus, props } = shown();
  byId(TESTID.conversationMore)!.click();
  const entry = (testid: string) => menus.menu!.entries.find((one) => one.testid === testid)!;
  entry(TESTID.conversationDelete).run();
  expect(menus.deleting?.title).toBe('A long title that wants its room');
  entry(TESTID.conversationRename).run();
  flushSync();
  expect(byId(TESTID.conversationRenameInput)).not.toBeNull();
  document.activeElement!.dispatchEvent(
    new KeyboardEvent('keydown', { key: 'Escape', bubbles: true }),
  );
  flushSync();
  const press = (key: string) =>
    byId(TESTID.conversationOpen)!.dispatchEvent(
      new KeyboardEvent('keydown', { key, bubbles: true }),
    );
  press('Delete');
  expect(props.ondelete).toHaveBeenCalledOnce();
  press('F2');
  flushSync();
  expect(byId(TESTID.conversationRenameInput)).not.toBeNull();
  void unmount(row);
});
