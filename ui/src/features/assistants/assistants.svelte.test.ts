import { expect, it, vi } from 'vitest';
import { fakeAssistant } from '../../backend/assistants';
import { fakeBackend, fakeConversation, fakeMessage, type FakeBackend } from '../../backend/fake';
import type {
  AssistantSetup,
  ChosenTools,
  ConversationAssistant,
  SentWith,
} from '../../backend/types';
import { LanternApp } from '../../lantern.svelte';
import { draftOf, setupOf, withTool } from './draft';

const TOOLS: ChosenTools = {
  tools: [{ server: 'lantern', tool: 'calculator', hash: 'c' }],
  required: false,
};
const FOX = fakeAssistant('fox', {
  name: 'Fox',
  model: 'b',
  tools: TOOLS,
  folders: ['f1'],
  starters: ['One', 'Two\nlines'],
  systemPrompt: '',
  sampling: { temperature: 0.2 },
  unasked: TOOLS.tools,
});

async function started(overrides: Parameters<typeof fakeBackend>[0] = {}) {
  const backend = fakeBackend({
    assistants: () => Promise.resolve([FOX, fakeAssistant('ant')]),
    ...overrides,
  });
  const app = new LanternApp(backend, { getItem: () => null, setItem: () => {} });
  await app.assistants.refresh();
  return { app, backend };
}

/** What went with the first message, beside its words. */
function sentWith({ answers }: FakeBackend) {
  const { attachments, folders, assistant, tools } = answers[0]!.args as SentWith;
  return { attachments, folders, assistant, tools };
}

it('keeps what stands in its form, and nothing else', () => {
  expect(setupOf(draftOf(FOX.setup))).toEqual(FOX.setup);
  const { setup } = fakeAssistant('ant');
  expect(setupOf(draftOf(setup))).toEqual(setup);
  const draft = {
    ...draftOf(FOX.setup),
    ownTools: false,
    ownPrompt: false,
    starters: ' a \n \n\nb',
  };
  const { tools, unasked, systemPrompt, starters } = setupOf(draft);
  expect([tools, unasked, systemPrompt, starters]).toEqual([null, [], null, ['a', 'b']]);
});

it('chooses a tool as it is now', () => {
  const now = { name: 'calculator', hash: 'new' } as never;
  expect(withTool(TOOLS.tools, 'lantern', now, true)).toEqual([
    { server: 'lantern', tool: 'calculator', hash: 'new' },
  ]);
  expect(withTool(TOOLS.tools, 'lantern', now, false)).toEqual([]);
  expect(withTool(TOOLS.tools, 'other', now, false)).toEqual(TOOLS.tools);
});

it('begins a conversation with the assistant that was chosen for it', async () => {
  const { app, backend } = await started();
  await app.answering.pickAssistant('fox');
  expect(app.answering.assistant?.setup.name).toBe('Fox');
  expect(app.chat.session.files.folders).toEqual(['f1']);
  await app.tools.show(null, FOX.setup.tools);
  app.send('Hello');
  expect(sentWith(backend)).toEqual({ attachments: [], folders: null, assistant: 'fox' });
});

it('says what was chosen in its place', async () => {
  const chooseTools = vi.fn(() => Promise.resolve());
  const { app, backend } = await started({ chooseTools });
  await app.answering.pickAssistant('fox');
  await app.tools.show(null, FOX.setup.tools);
  await app.chat.session.files.toggleFolder('f1');
  await app.tools.require(true);
  expect(chooseTools).not.toHaveBeenCalled();
  app.send('Hello');
  const tools = { ...TOOLS, required: true };
  expect(sentWith(backend)).toEqual({ attachments: [], folders: [], assistant: 'fox', tools });
});

it('forgets the assistant with a new chat', async () => {
  const { app, backend } = await started();
  await app.answering.pickAssistant('fox');
  app.send('Hello');
  const message = fakeMessage({ role: 'assistant', status: 'streaming' });
  backend.answers[0]!.emit({
    type: 'started',
    conversation: fakeConversation(),
    userMessage: fakeMessage({ id: 'm0' }),
    assistantMessage: message,
  });
  expect(app.answering.assistant?.setup.name).toBe('Fox');
  app.newChat();
  expect(app.answering.assistant).toBeNull();
});

it('changes the assistant of a conversation, which then follows its model', async () => {
  const current = (setup: Partial<AssistantSetup>): ConversationAssistant => ({
    assistant: fakeAssistant('fox', setup),
    isHere: true,
    answers: [{ messageId: 'm1', assistantId: 'fox', name: 'Fox', version: 3 }],
  });
  const chooseAssistant = vi.fn(() => Promise.resolve(current({ name: 'Fox' })));
  const { app } = await started({
    chooseAssistant,
    conversationAssistant: () => Promise.resolve(current({ name: 'Old' })),
  });
  const { session } = app.chat;
  session.show({ conversation: fakeConversation({ model: 'a' }), messages: [], summaries: [] });
  session.pickedModel = 'a';
  await app.assistants.show('c1');
  expect(app.answering.assistant?.setup.name).toBe('Old');
  expect(app.assistants.writtenWith('m1')).toMatchObject({ name: 'Fox', version: 3 });
  await app.answering.pickAssistant('fox');
  expect(chooseAssistant).toHaveBeenCalledWith('c1', 'fox');
  expect(app.answering.assistant?.setup.name).toBe('Fox');
  expect([session.pickedModel, session.conversation?.model]).toEqual([null, null]);
});

it('tells what an import left out, and why a name cannot be had', async () => {
  const imported = { assistant: FOX, foldersLeft: 1, unaskedLeft: 2 };
  const taken = { code: 'assistant_exists', message: 'There is one.', nextStep: 'Another.' };
  const { app } = await started({
    chooseAssistantFile: () => Promise.resolve('/tmp/fox.json'),
    importAssistant: () => Promise.resolve(imported),
    saveAssistant: () => Promise.reject(taken),
  });
  await app.assistants.importOne();
  expect(app.assistants.imported).toEqual(imported);
  app.assistants.edit(null);
  await app.assistants.save(FOX.setup);
  expect(app.assistants.error?.code).toBe('assistant_exists');
  expect(app.assistants.editing).not.toBeNull();
});
