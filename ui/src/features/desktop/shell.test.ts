import { describe, expect, it, vi } from 'vitest';
import { fakeBackend } from '../../backend/fake';
import { kindOf } from '../../backend/window';
import { LanternApp } from '../../lantern.svelte';
import { takeShellEvent } from './shell';

const storage = { getItem: () => null, setItem: () => {} };

describe('what is asked from outside', () => {
  it('a link to a model fills in fields and asks nobody', () => {
    const never = vi.fn(() => Promise.reject(new Error('asked')));
    const app = new LanternApp(
      fakeBackend({ searchModels: never, repository: never, downloadModel: never }),
      storage,
    );
    takeShellEvent(app, { type: 'propose_model', repo: 'a/b', file: 'c.gguf' });
    expect([app.view, app.modelsTab, app.search.filters.text]).toEqual(['models', 'find', 'a/b']);
    expect(app.search.proposed).toEqual({ repo: 'a/b', file: 'c.gguf' });
    expect(never).not.toHaveBeenCalled();
  });

  it('a link with a question fills the draft, behind words that are there, and sends nothing', () => {
    const backend = fakeBackend();
    const app = new LanternApp(backend, storage);
    const before = app.chat.session;
    app.chat.drafts.set(null, 'Mine');
    takeShellEvent(app, { type: 'propose_chat', text: 'Yours' });
    expect(app.chat.drafts.get(null)).toBe('Mine\n\nYours');
    expect(app.chat.session).not.toBe(before);
    expect(backend.answers).toEqual([]);
  });

  it('the window is told by its label', () => {
    expect(kindOf('main')).toEqual({ kind: 'main' });
    expect(kindOf('quick')).toEqual({ kind: 'quick' });
    expect(kindOf('chat-c1')).toEqual({ kind: 'chat', conversationId: 'c1' });
  });
});
