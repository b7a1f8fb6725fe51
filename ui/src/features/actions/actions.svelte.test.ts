import { describe, expect, it, vi } from 'vitest';
import { fakeAssistant } from '../../backend/assistants';
import { fakeBackend, fakeConversation } from '../../backend/fake';
import * as data from '../../../demo/data';
import { LanternApp } from '../../lantern.svelte';
import { ActionsController } from './actions.svelte';
import { setLanguage } from '../../shared/i18n';
import { zoomed } from './view';

const storage = { getItem: () => null, setItem: () => {} };

async function started(solo: string | null = null) {
  const updateSettings = vi.fn(() => Promise.resolve(data.SETTINGS));
  const backend = fakeBackend({
    getSettings: () => Promise.resolve(data.SETTINGS),
    updateSettings,
    getStatus: () => Promise.resolve(data.STATUS),
    library: () => Promise.resolve(data.LIBRARY),
    listConversations: () => Promise.resolve(data.summaries(null)),
    getConversation: (id) =>
      Promise.resolve({ conversation: fakeConversation({ id }), messages: [], summaries: [] }),
  });
  const app = new LanternApp(backend, storage, solo);
  await app.start();
  const ui = {
    toggleSidebar: vi.fn(),
    focusSearch: vi.fn(),
    focusComposer: vi.fn(),
    pickModel: vi.fn(),
    pickAssistant: vi.fn(),
  };
  return { app, actions: new ActionsController(app, ui), ui, updateSettings };
}

const press = (key: string, init: KeyboardEventInit = {}) =>
  new KeyboardEvent('keydown', { key, cancelable: true, ...init });

describe('actions', () => {
  it('have names of their own and share no keys', async () => {
    for (const solo of [null, 'c1']) {
      const { actions } = await started(solo);
      const all = actions.withKeys();
      const keys = all.flatMap((action) => action.keys ?? []);
      expect(new Set(keys).size).toBe(keys.length);
      const ids = actions.find('').map(({ action }) => action.id);
      expect(new Set(ids).size).toBe(ids.length);
    }
  });

  it('go to what came before where the words begin', async () => {
    const id = (node: string) => ({ id: node, role: 'assistant' });
    const branch = [{ message: id('b'), alternatives: ['a', 'b', 'c'], index: 1 }];
    const { app, actions } = await started();
    const select = vi.spyOn(app.chat.session, 'selectBranch').mockResolvedValue(undefined);
    vi.spyOn(app.chat.session, 'branch', 'get').mockReturnValue(branch as never);
    vi.spyOn(app.chat.session, 'conversation', 'get').mockReturnValue(
      fakeConversation({ id: 'x' }),
    );
    actions.onkeydown(press('ArrowLeft', { altKey: true }));
    expect(select).toHaveBeenLastCalledWith('a');
    await setLanguage('ar');
    actions.onkeydown(press('ArrowLeft', { altKey: true }));
    expect(select).toHaveBeenLastCalledWith('c');
    actions.onkeydown(press('ArrowRight', { altKey: true }));
    expect(select).toHaveBeenLastCalledWith('a');
    await setLanguage('en');
  });

  it('are done by their keys', async () => {
    const { app, actions, ui } = await started();
    actions.onkeydown(press(',', { ctrlKey: true }));
    expect(app.view).toBe('settings');
    const search = press('F', { ctrlKey: true, shiftKey: true });
    actions.onkeydown(search);
    expect(ui.focusSearch).toHaveBeenCalledOnce();
    expect(search.defaultPrevented).toBe(true);
    actions.onkeydown(press('k', { ctrlKey: true }));
    expect(actions.open).toBe('palette');
  });

  it('lead to assistants and prompts', async () => {
    const { app, actions, ui } = await started();
    app.assistants.all = [fakeAssistant('fox', { name: 'Fox' })];
    const run = (words: string) => actions.run(actions.find(words)[0]!.action);
    run('chat with fox');
    expect(app.answering.assistant?.id).toBe('fox');
    run('new assistant');
    expect(app.view).toBe('assistants');
    expect(app.assistants.editing?.id).toBeNull();
    run('prompts');
    expect(app.assistants.tab).toBe('prompts');
    run('choose the assistant');
    expect(ui.pickAssistant).toHaveBeenCalledOnce();
  });

  it('leave a question mark to whoever writes one', async () => {
    const { actions } = await started();
    const field = document.body.appendChild(document.createElement('textarea'));
    const event = press('?', { shiftKey: true, bubbles: true });
    field.addEventListener('keydown', (typed) => actions.onkeydown(typed));
    field.dispatchEvent(event);
    expect(actions.open).toBeNull();
    expect(event.defaultPrevented).toBe(false);
    actions.onkeydown(press('?', { shiftKey: true }));
    expect(actions.open).toBe('shortcuts');
  });

  it('find conversations, models and settings by a few letters', async () => {
    const { app, actions } = await started();
    const first = (search: string) => actions.find(search)[0]?.action;
    const title = app.conversations.rows[1]!.conversation.title;
    expect(first(title.slice(0, 6).toLowerCase())?.label).toBe(title);
    expect(first('temperat')?.id).toBe('setting-sampling.temperature');
    expect(first('xyzzyq')).toBeUndefined();
    actions.run(first('temperat')!);
    expect(app.settingInView).toBe('sampling.temperature');
    expect(app.view).toBe('settings');
  });

  it('in a window of one conversation lead nowhere else', async () => {
    const { app, actions } = await started('c1');
    expect(app.chat.openId).toBe('c1');
    const ids = actions.find('').map(({ action }) => action.id);
    expect(ids).not.toContain('new-chat');
    expect(ids.filter((id) => id.startsWith('go-') || id.startsWith('open-'))).toEqual([]);
    expect(ids).toContain('in-main');
  });

  it('change the size in steps, and not beyond the last', async () => {
    expect([zoomed(100, 1), zoomed(100, -1), zoomed(103, 1)]).toEqual([110, 90, 110]);
    expect([zoomed(300, 1), zoomed(50, -1)]).toEqual([300, 50]);
    const { actions, updateSettings } = await started();
    actions.onkeydown(press('+', { ctrlKey: true, shiftKey: true }));
    expect(updateSettings).toHaveBeenCalledWith({ desktop: { zoom: 110 } });
  });
});
