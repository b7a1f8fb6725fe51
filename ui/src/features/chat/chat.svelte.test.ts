import { flushSync } from 'svelte';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { fakeBackend, fakeConversation, fakeMessage, type FakeBackend } from '../../backend/fake';
import type { ErrorInfo, Message, ToolCall } from '../../backend/types';
import { ChatController } from './chat.svelte';

const FULL: ErrorInfo = { code: 'context_overflow', message: 'Too long.', nextStep: 'Shorten it.' };
const tick = () => new Promise((resolve) => setTimeout(resolve));

function memory() {
  const items = new Map<string, string>();
  return {
    getItem: (key: string) => items.get(key) ?? null,
    setItem: (key: string, value: string) => void items.set(key, value),
  };
}

let backend: FakeBackend;
let chat: ChatController;

beforeEach(() => {
  backend = fakeBackend();
  chat = new ChatController(backend, { storage: memory() });
});

const shown = () => chat.session.branch.map(({ message }) => message.id);

/** The events that begin an answer to a new message. */
function begin(words = 'Hello'): Message {
  chat.send(words);
  const user = fakeMessage({ content: words });
  const assistant = fakeMessage({
    id: 'm2',
    parentId: 'm1',
    role: 'assistant',
    content: '',
    status: 'streaming',
  });
  backend.answers[0]!.emit({
    type: 'started',
    conversation: fakeConversation({ leafId: 'm2' }),
    userMessage: user,
    assistantMessage: assistant,
  });
  return assistant;
}

describe('what another window asks in the open conversation', () => {
  it('is read once, and not while this one is busy', async () => {
    const conversation = fakeConversation({ id: 'c1', leafId: 'm1' });
    const first = fakeMessage({ id: 'm1' });
    backend.getConversation = vi.fn(() =>
      Promise.resolve({
        conversation: { ...conversation, leafId: 'm3' },
        messages: [first, fakeMessage({ id: 'm3', parentId: 'm1', content: 'There' })],
        summaries: [],
      }),
    );
    chat.session.show({ conversation, messages: [first], summaries: [] });
    await chat.follow({ ...conversation, leafId: 'm1' });
    await chat.follow({ ...conversation, id: 'c2', leafId: 'm9' });
    expect(backend.getConversation).not.toHaveBeenCalled();
    await chat.follow({ ...conversation, leafId: 'm3' });
    expect(shown()).toEqual(['m1', 'm3']);
    await chat.follow({ ...conversation, leafId: 'm3' });
    chat.send('Hello');
    await chat.follow({ ...conversation, leafId: 'm9' });
    expect(backend.getConversation).toHaveBeenCalledOnce();
  });
});

describe('the rest of a long conversation', () => {
  it('comes in pieces, and what came in between stays', async () => {
    const [m1, m2, m3] = ['m1', 'm2', 'm3'].map((id, place) =>
      fakeMessage({ id, parentId: place > 0 ? `m${String(place)}` : null }),
    ) as [Message, Message, Message];
    const later = fakeMessage({ id: 'm4', parentId: 'm3' });
    const pieces = new Map([
      [null, [m1, m2]],
      ['m2', [{ ...m3, content: 'as it was' }]],
    ]) as Map<string | null, Message[]>;
    backend.messagesAfter = (_, after) => Promise.resolve(pieces.get(after) ?? []);
    const conversation = fakeConversation({ id: 'c1', leafId: 'm4' });
    chat.session.show({ conversation, messages: [m3], summaries: [] });
    const rest = chat.session.showWhole();
    chat.session.messages = [m3, later];
    await rest;
    expect(chat.session.messages).toEqual([m1, m2, m3, later]);
    expect(shown()).toEqual(['m1', 'm2', 'm3', 'm4']);
  });
});

describe('an answer', () => {
  it('is asked for with the words, trimmed, and the branch it follows', () => {
    chat.send('  Hello \n');
    expect(backend.answers[0]).toMatchObject({
      method: 'send',
      args: { conversationId: null, parentId: null, content: 'Hello', model: null },
    });
    expect(chat.session.pendingContent).toBe('Hello');
    expect(chat.session.busy).toBe(true);
  });

  it('goes through its phases, grows, and ends', () => {
    vi.useFakeTimers();
    const assistant = begin();
    const { emit } = backend.answers[0]!;
    const { session } = chat;
    expect(shown()).toEqual(['m1', 'm2']);
    expect(session.pendingContent).toBeNull();
    expect(session.live.id).toBe('m2');

    emit({ type: 'loading', model: 'tiny' });
    expect(session.live.phase).toEqual({ kind: 'loading', model: 'tiny' });
    emit({ type: 'dropped', messageIds: ['m8', 'm9'], tokensBefore: 900, tokensAfter: 300 });
    expect(session.live.dropped).toBe(2);
    emit({ type: 'summarising' });
    expect(session.live.phase).toEqual({ kind: 'summarising' });
    const messageIds = ['m0', 'm1'];
    emit({ type: 'summarised', messageIds, text: 'In short', tokensBefore: 9, tokensAfter: 3 });
    expect(session.live.summarised).toBe(2);
    expect(session.live.sight).toEqual({ summarisedTo: 'm1', droppedTo: 'm9' });
    expect(session.summaries).toEqual([{ messageId: 'm1', text: 'In short', edited: false }]);
    emit({ type: 'queued', position: 2 });
    expect(session.live.phase).toEqual({ kind: 'queued', position: 2 });
    emit({ type: 'prefill', processed: 10, total: 40, cached: 5 });
    expect(session.live.phase).toEqual({ kind: 'prefill', processed: 10, total: 40, cached: 5 });
    expect(session.live.prompt, 'the gauge moves before the answer is there').toEqual({
      total: 40,
      cached: 5,
    });

    emit({ type: 'text', text: 'Good ' });
    emit({ type: 'text', text: 'day' });
    expect(session.live.phase.kind).toBe('writing');
    expect(session.live.text, 'text is painted in bundles').toBe('');
    vi.advanceTimersByTime(50);
    expect(session.live.text).toBe('Good day');

    emit({ type: 'text', text: '!' });
    emit({
      type: 'finished',
      message: { ...assistant, content: 'Good day!', status: 'complete' },
    });
    expect(session.busy).toBe(false);
    expect(session.live.prompt).toBeNull();
    expect(session.branch.at(-1)?.message.content).toBe('Good day!');
    expect(chat.announcement).toBe('Answer finished.');
    vi.useRealTimers();
  });

  it('that fails keeps its text and says why', () => {
    const assistant = begin();
    const { emit } = backend.answers[0]!;
    emit({ type: 'text', text: 'Half' });
    const message: Message = { ...assistant, content: 'Half', status: 'failed' };
    emit({ type: 'failed', message, error: FULL });
    expect(chat.session.busy).toBe(false);
    expect(chat.session.branch.at(-1)?.message).toMatchObject({ content: 'Half', error: FULL });
    expect(chat.announcement).toContain('Too long.');
  });

  it('that is refused leaves the words on show, as a draft, and can be tried again', async () => {
    chat.send('Hello');
    backend.answers[0]!.refuse(FULL);
    await tick();
    const { session } = chat;
    expect(session.busy).toBe(false);
    expect(session.failure?.error).toEqual(FULL);
    expect(session.pendingContent).toBe('Hello');
    expect(chat.drafts.get(null)).toBe('Hello');
    session.failure?.retry();
    expect(backend.answers).toHaveLength(2);
    expect(backend.answers[1]!.args).toEqual(backend.answers[0]!.args);
    expect(session.failure).toBeNull();
  });

  it('is not asked for twice, nor with nothing to say', () => {
    chat.send('   ');
    expect(backend.answers).toHaveLength(0);
    chat.send('Hello');
    chat.send('Hello again');
    expect(backend.answers).toHaveLength(1);
  });

  it('is stopped by its id', async () => {
    const assistant = begin();
    await chat.session.stop();
    expect(backend.stopped).toEqual(['m2']);
    expect(chat.session.stopping).toBe(true);
    backend.answers[0]!.emit({ type: 'finished', message: { ...assistant, status: 'stopped' } });
    expect(chat.session.stopping).toBe(false);
    expect(chat.announcement).toBe('Answer stopped.');
  });

  it('that was stopped before it began is stopped as it begins', async () => {
    chat.send('Hello');
    await chat.session.stop();
    expect(backend.stopped).toEqual([]);
    backend.answers[0]!.emit({
      type: 'started',
      conversation: fakeConversation(),
      userMessage: fakeMessage(),
      assistantMessage: fakeMessage({ id: 'm2', parentId: 'm1', role: 'assistant' }),
    });
    expect(backend.stopped).toEqual(['m2']);
  });
});

describe('branches', () => {
  const tree = [
    fakeMessage(),
    fakeMessage({ id: 'm2', parentId: 'm1', role: 'assistant', content: 'One' }),
    fakeMessage({ id: 'm3', parentId: 'm1', role: 'assistant', content: 'Two' }),
    fakeMessage({ id: 'm4', parentId: 'm3', content: 'More' }),
  ];

  beforeEach(async () => {
    backend.getConversation = () =>
      Promise.resolve({
        conversation: fakeConversation({ leafId: 'm2' }),
        messages: tree,
        summaries: [],
      });
    await chat.open('c1');
  });

  it('change to the newest line below the chosen message', async () => {
    const select = vi.spyOn(backend, 'selectBranch');
    await chat.session.selectBranch('m3');
    expect(shown()).toEqual(['m1', 'm3', 'm4']);
    expect(select).toHaveBeenCalledWith('c1', 'm4');
  });

  it('change back when the application refuses', async () => {
    backend.selectBranch = () => Promise.reject(FULL);
    await chat.session.selectBranch('m3');
    expect(shown()).toEqual(['m1', 'm2']);
    expect(chat.session.failure?.error).toEqual(FULL);
  });

  it('grow beside an answer that is written again, which hides the old one at once', () => {
    chat.session.pickedModel = 'another-model';
    chat.session.regenerate('m2');
    expect(backend.answers[0]!.args).toEqual({ messageId: 'm2', model: 'another-model' });
    expect(shown()).toEqual(['m1']);
    backend.answers[0]!.emit({
      type: 'started',
      conversation: fakeConversation({ leafId: 'm5' }),
      userMessage: null,
      assistantMessage: fakeMessage({ id: 'm5', parentId: 'm1', role: 'assistant' }),
    });
    expect(shown()).toEqual(['m1', 'm5']);
    expect(chat.session.branch.at(-1)).toMatchObject({
      alternatives: ['m2', 'm3', 'm5'],
      index: 2,
    });
  });

  it('grow beside a message that is put differently', () => {
    chat.session.edit('m1', 'Hi');
    expect(shown()).toEqual([]);
    expect(chat.session.pendingContent).toBe('Hi');
    backend.answers[0]!.emit({
      type: 'started',
      conversation: fakeConversation({ leafId: 'm6' }),
      userMessage: fakeMessage({ id: 'm5', content: 'Hi' }),
      assistantMessage: fakeMessage({ id: 'm6', parentId: 'm5', role: 'assistant' }),
    });
    expect(shown()).toEqual(['m5', 'm6']);
    expect(chat.session.branch[0]).toMatchObject({ alternatives: ['m1', 'm5'], index: 1 });
  });
});

describe('conversations', () => {
  it('go on being answered while another is open', async () => {
    const assistant = begin();
    const answering = chat.session;
    backend.getConversation = (id) =>
      Promise.resolve({ conversation: fakeConversation({ id }), messages: [], summaries: [] });
    await chat.open('c2');
    expect(chat.openId).toBe('c2');
    backend.answers[0]!.emit({ type: 'text', text: 'Still here' });

    await chat.open('c1');
    expect(chat.session, 'the same session is shown again').toBe(answering);
    backend.answers[0]!.emit({
      type: 'finished',
      message: { ...assistant, content: 'Still here', status: 'complete' },
    });
    expect(chat.session.branch.at(-1)?.message.content).toBe('Still here');
  });

  it('that cannot be opened say why', async () => {
    backend.getConversation = () => Promise.reject(FULL);
    await chat.open('c9');
    expect(chat.openError).toEqual(FULL);
  });

  it('opened last are the ones shown, whichever arrives first', async () => {
    const arrivals: Record<string, () => void> = {};
    backend.getConversation = (id) =>
      new Promise((resolve) => {
        arrivals[id] = () =>
          resolve({ conversation: fakeConversation({ id }), messages: [], summaries: [] });
      });
    const slow = chat.open('slow');
    const quick = chat.open('quick');
    arrivals.quick!();
    arrivals.slow!();
    await Promise.all([slow, quick]);
    expect(chat.openId).toBe('quick');
  });

  it('make way for a new one when deleted', async () => {
    backend.getConversation = (id) =>
      Promise.resolve({
        conversation: fakeConversation({ id }),
        messages: [fakeMessage()],
        summaries: [],
      });
    await chat.open('c1');
    chat.drafts.set('c1', 'unsent');
    chat.deleted('c1');
    flushSync();
    expect(chat.openId).toBeNull();
    expect(chat.session.isEmpty).toBe(true);
    expect(chat.drafts.get('c1')).toBe('');
  });

  it('being answered elsewhere are watched until they are whole', async () => {
    vi.useFakeTimers();
    let status: Message['status'] = 'streaming';
    backend.getConversation = () =>
      Promise.resolve({
        conversation: fakeConversation({ leafId: 'm1' }),
        messages: [fakeMessage({ role: 'assistant', status, content: 'x' })],
        summaries: [],
      });
    await chat.open('c1');
    expect(chat.session.foreignStreamId).toBe('m1');
    status = 'complete';
    await vi.advanceTimersByTimeAsync(1100);
    expect(chat.session.foreignStreamId).toBeNull();
    vi.useRealTimers();
  });
});

describe('calls of tools', () => {
  const call: ToolCall = {
    id: 'k1',
    messageId: 'm2',
    callId: 'call_1',
    server: 'lantern',
    tool: 'calculator',
    name: 'calculator',
    arguments: '{}',
    state: 'asking',
    result: null,
    createdAt: 1,
    startedAt: null,
    endedAt: null,
  };
  const later = fakeMessage({
    id: 'm4',
    parentId: 'm3',
    role: 'assistant',
    content: '',
    status: 'streaming',
  });

  it('are asked about, and the answer goes on in another message', () => {
    const first = begin();
    const { emit } = backend.answers[0]!;
    const { session } = chat;
    emit({ type: 'text', text: 'I calculate.' });
    emit({ type: 'tool_call', call });
    expect(session.callsOf('m2')).toEqual([call]);
    expect(chat.announcement).toContain('wants to call calculator');
    emit({ type: 'tool_call', call: { ...call, state: 'done' } });
    expect(session.calls.map(({ state }) => state)).toEqual(['done']);
    const answered = { ...first, content: 'I calculate.', status: 'complete' as const };
    const results = [fakeMessage({ id: 'm3', parentId: 'm2', role: 'tool', content: '42' })];
    emit({ type: 'round', round: { answered, results, assistantMessage: later } });
    expect(session.live.id).toBe('m4');
    expect(session.live.text).toBe('');
    expect(shown()).toEqual(['m1', 'm4']);
    expect(session.branch[1]!.earlier?.map(({ content }) => content)).toEqual(['I calculate.']);
    emit({ type: 'finished', message: { ...later, content: '42.', status: 'complete' } });
    expect(session.busy).toBe(false);

    // Written again, it begins with its first message.
    session.regenerate('m4');
    expect(backend.answers[1]).toMatchObject({ method: 'regenerate', args: { messageId: 'm2' } });
    expect(shown()).toEqual(['m1']);
  });

  it('behind which an answer failed are kept when it is tried again', () => {
    const first = begin();
    const { emit } = backend.answers[0]!;
    const results = [fakeMessage({ id: 'm3', parentId: 'm2', role: 'tool' })];
    emit({ type: 'round', round: { answered: first, results, assistantMessage: later } });
    emit({ type: 'failed', message: { ...later, status: 'failed' }, error: FULL });
    chat.session.regenerate('m4');
    expect(backend.answers[1]).toMatchObject({ args: { messageId: 'm4' } });
  });

  it('that nothing came after let the answer go on', () => {
    const first = begin();
    const { emit } = backend.answers[0]!;
    emit({ type: 'tool_call', call: { ...call, state: 'not_run' } });
    expect(chat.session.canContinue('m2')).toBe(false);
    emit({ type: 'finished', message: { ...first, status: 'complete' } });
    expect(chat.session.canContinue('m2')).toBe(true);
    chat.session.continueCalls('m2');
    expect(backend.answers[1]).toMatchObject({
      method: 'continueCalls',
      args: { messageId: 'm2' },
    });
    expect(shown()).toEqual(['m1', 'm2']);
  });

  it('of an opened conversation are there at once', async () => {
    backend.getConversation = () =>
      Promise.resolve({
        conversation: fakeConversation({ leafId: 'm2' }),
        messages: [fakeMessage(), fakeMessage({ id: 'm2', parentId: 'm1', role: 'assistant' })],
        summaries: [],
      });
    backend.toolCalls = () => Promise.resolve([{ ...call, state: 'interrupted' }]);
    await chat.open('c1');
    expect(chat.session.callsOf('m2')).toHaveLength(1);
    expect(chat.session.canContinue('m2')).toBe(true);
  });
});
