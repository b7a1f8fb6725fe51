import { describe, expect, it, vi } from 'vitest';
import { fakeBackend, fakeConversation, fakeMessage } from '../../backend/fake';
import type { AnswerSources, Attachment } from '../../backend/types';
import { ChatSession } from '../chat/session.svelte';
import { citationsAt, SessionFiles } from './files.svelte';
import { folderState, placeWords, seenWords } from './words';

const settled = () => new Promise((resolve) => setTimeout(resolve));

const sources = (messageId: string, number: number): AnswerSources => ({
  messageId,
  seen: [],
  searchedBy: null,
  citations: [
    {
      number,
      name: 'a.pdf',
      document: 'a',
      place: { page: 3, heading: null, sheet: null, row: null, line: null },
      text: 'Words.',
    },
  ],
});

describe('files that wait to be sent', () => {
  it('are read, counted once and taken back', async () => {
    const files = new SessionFiles(fakeBackend());
    files.add(['/home/a.txt', '/other/a.txt', '/home/b.png']);
    expect(files.reading).toBe(true);
    await settled();
    expect(files.reading).toBe(false);
    expect(files.staged.map(({ name }) => name)).toEqual(['a.txt', 'b.png']);
    expect(files.hasPicture).toBe(true);
    files.remove(files.staged[1]!.key);
    expect(files.sentWith()).toEqual({
      attachments: [{ document: 'a.txt', name: 'a.txt' }],
      folders: [],
    });
  });

  it('that cannot be read say why and do not go', async () => {
    const error = { code: 'document_encrypted', message: 'No.', nextStep: 'Do.' };
    const files = new SessionFiles(fakeBackend({ attachFile: () => Promise.reject(error) }));
    files.add(['/home/a.pdf']);
    await settled();
    expect(files.staged[0]?.error).toEqual(error);
    expect(files.sentWith()).toBeUndefined();
  });

  it('are not read in a chat that leaves no trace', async () => {
    const attachFile = vi.fn(() => Promise.reject(new Error('it was read')));
    const files = new SessionFiles(fakeBackend({ attachFile, attachBytes: attachFile }));
    await files.load('temporary-1');
    files.add(['/home/a.pdf']);
    files.paste([new File(['x'], 'b.txt')]);
    await settled();
    expect(attachFile).not.toHaveBeenCalled();
    expect(files.staged.map(({ error }) => error?.code)).toEqual([
      'files_leave_traces',
      'files_leave_traces',
    ]);
    expect(files.sentWith()).toBeUndefined();
  });

  it('are pasted as base64', async () => {
    let content = '';
    const files = new SessionFiles(
      fakeBackend({
        attachBytes: (name, base64): Promise<Attachment> => {
          content = atob(base64);
          return Promise.resolve({
            document: 'd',
            name,
            kind: 'image',
            bytes: 3,
            characters: 0,
            passages: 0,
          });
        },
      }),
    );
    files.paste([new File(['abc'], '', { type: 'image/png' })]);
    await expect.poll(() => files.staged[0]?.attachment?.name).toBe('pasted.png');
    expect(content).toBe('abc');
  });

  it('go with the message and stay on it', async () => {
    const backend = fakeBackend();
    const session = new ChatSession(backend);
    session.files.add(['/home/a.txt']);
    await session.files.toggleFolder('f1');
    await settled();
    session.send('What is it?');
    expect(backend.answers[0]?.args).toMatchObject({
      content: 'What is it?',
      attachments: [{ document: 'a.txt', name: 'a.txt' }],
      folders: ['f1'],
    });
    backend.answers[0]?.emit({
      type: 'started',
      conversation: fakeConversation(),
      userMessage: fakeMessage({ id: 'u' }),
      assistantMessage: fakeMessage({ id: 'a', parentId: 'u', role: 'assistant' }),
    });
    expect(session.files.staged).toEqual([]);
    expect(session.files.attachments.u?.[0]?.name).toBe('a.txt');
    backend.answers[0]?.emit({ type: 'sources', sources: sources('a', 1) });
    expect(session.files.sources.a?.citations).toHaveLength(1);
  });
});

describe('citations', () => {
  it('of earlier answers on the branch can be opened, those of others cannot', () => {
    const files = new SessionFiles(fakeBackend());
    files.saw(sources('first', 1));
    files.saw(sources('second', 2));
    files.saw(sources('other', 3));
    const branch = ['q', 'first', 'p', 'second'].map((id) => ({ message: { id } }));
    const seen = files.seenOn(branch);
    const found = citationsAt(3, seen);
    expect([...found.keys()]).toEqual([1, 2]);
    expect(found.get(1)?.[0]).toBe('first');
    expect(citationsAt(1, seen).has(2)).toBe(false);
  });

  it('that come while the stored ones are read are kept', async () => {
    const read = { attachments: [], sources: [sources('first', 1)], folders: [] };
    const files = new SessionFiles(fakeBackend({ conversationFiles: () => Promise.resolve(read) }));
    const loaded = files.load('here');
    files.saw(sources('second', 2));
    await loaded;
    expect(Object.keys(files.sources).sort()).toEqual(['first', 'second']);
  });
});

describe('words', () => {
  it('say what was seen and where', () => {
    const seen = { name: 'a', document: 'a', seen: 'passages', shown: 12, total: 340 } as const;
    expect(seenWords(seen)).toBe('12 passages of 340');
    expect(seenWords({ ...seen, document: null, shown: 1 })).toBe('1 passage of 340 files');
    expect(placeWords({ page: null, heading: 'A | B', sheet: 'Sales', row: 12, line: null })).toBe(
      'sheet Sales, row 12',
    );
  });

  it('say how far a folder is', () => {
    const folder = { id: '', path: '', name: '', files: 2, passages: 9, embedded: 0, failed: 0 };
    expect(folderState({ ...folder, state: { state: 'ready' } })).toBe('2 files, 9 passages');
    expect(folderState({ ...folder, state: { state: 'reading', done: 1, total: 2 } })).toBe(
      'reading 1 of 2 files',
    );
  });
});
