import { flushSync, mount, unmount } from 'svelte';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { fakeBackend } from '../../backend/fake';
import type { ChosenTools, ToolCall, ToolInfo, ToolServerInfo } from '../../backend/types';
import ToolConsentCard from './ToolConsentCard.svelte';
import { ToolsController } from './tools.svelte';

const tool: ToolInfo = {
  name: 'echo',
  title: null,
  description: 'Says it again.',
  parameters: '{}',
  hash: 'h1',
  readOnly: false,
  always: false,
};

const server: ToolServerInfo = {
  name: 'test',
  transport: { type: 'http', url: 'https://a.example/mcp', headers: {} },
  enabled: true,
  state: { state: 'ready' },
  signedIn: false,
  tools: [tool],
  leftOut: [],
  written: [],
};

describe('the tools of a chat', () => {
  it('are switched on as they are, and a changed one is not on any more', async () => {
    const kept: [string | null, ChosenTools][] = [];
    const backend = fakeBackend({
      toolServers: () => Promise.resolve([server]),
      chooseTools: (id, chosen) => Promise.resolve(void kept.push([id, chosen])),
    });
    const tools = new ToolsController(backend);
    await tools.show('c1');
    expect(tools.switchOf('test', tool)).toBe('off');
    await tools.set('test', [tool], true);
    expect(tools.switchOf('test', tool)).toBe('on');
    expect(tools.switchOf('other', tool)).toBe('off');
    const changed = { ...tool, hash: 'h2' };
    expect(tools.switchOf('test', changed)).toBe('changed');
    await tools.set('test', [changed], true);
    expect(tools.count).toBe(1);
    await tools.require(true);
    await tools.set('test', [changed], false);
    expect(kept.map(([id]) => id)).toEqual(['c1', 'c1', 'c1', 'c1']);
    expect(kept.at(-1)![1]).toEqual({ tools: [], required: true });
  });

  it('whose server is off or gone can be switched off', async () => {
    const lost = [
      { server: 'away', tool: 'x', hash: 'h' },
      { server: 'test', tool: 'no more', hash: 'h' },
      { server: 'test', tool: 'echo', hash: 'h1' },
    ];
    const backend = fakeBackend({
      toolServers: () => Promise.resolve([server]),
      chosenTools: () => Promise.resolve({ tools: lost, required: false }),
    });
    const tools = new ToolsController(backend);
    await tools.show(null);
    expect(tools.gone).toEqual([]);
    await tools.refresh();
    expect(tools.gone.map(({ tool }) => tool)).toEqual(['x', 'no more']);
    await tools.drop(tools.gone[0]!);
    expect(tools.chosen.tools).toEqual(lost.slice(1));
    backend.toolServers = () => Promise.resolve([{ ...server, enabled: false }]);
    await tools.refresh();
    expect(tools.gone).toHaveLength(2);
  });

  it('stay as they were when the choice is not kept', async () => {
    const refused = { code: 'too_many_tools', message: 'Too many.', nextStep: 'Fewer.' };
    const tools = new ToolsController(fakeBackend({ chooseTools: () => Promise.reject(refused) }));
    await tools.set('test', [tool], true);
    expect(tools.count).toBe(0);
    expect(tools.error).toEqual(refused);
  });

  it('are those of the conversation that was opened last', async () => {
    let answer: (chosen: ChosenTools) => void = () => {};
    const chosenTools = (id: string | null) =>
      id === 'slow'
        ? new Promise<ChosenTools>((resolve) => (answer = resolve))
        : Promise.resolve({ tools: [], required: true });
    const tools = new ToolsController(fakeBackend({ chosenTools }));
    const slow = tools.show('slow');
    await tools.show('quick');
    answer({ tools: [{ server: 's', tool: 't', hash: 'h' }], required: false });
    await slow;
    expect(tools.chosen).toEqual({ tools: [], required: true });
  });
});

describe('servers', () => {
  it('say why they could not be added or removed', async () => {
    const refused = { code: 'tool_server_name', message: 'No.', nextStep: 'Another.' };
    const tools = new ToolsController(
      fakeBackend({
        addToolServer: () => Promise.reject(refused),
        removeToolServer: () => Promise.reject(refused),
      }),
    );
    expect(await tools.add({ name: 'x', transport: server.transport! })).toBe(false);
    expect(tools.addError).toEqual(refused);
    expect(await tools.remove('x')).toBe(false);
    expect(tools.error).toEqual(refused);
  });

  it('are read anew only while somebody looks', async () => {
    const toolServers = vi.fn(() => Promise.resolve([server]));
    const tools = new ToolsController(fakeBackend({ toolServers }));
    tools.changed();
    expect(toolServers).not.toHaveBeenCalled();
    await tools.refresh();
    tools.changed();
    expect(toolServers).toHaveBeenCalledTimes(2);
  });
});

describe('the question whether a call may run', () => {
  let card: Record<string, unknown> | undefined;
  afterEach(() => {
    if (card) void unmount(card);
    document.body.innerHTML = '';
  });

  it('takes the focus, but none of its buttons has it, and is answered once', () => {
    const call: ToolCall = {
      id: 'k1',
      messageId: 'm1',
      callId: 'c',
      server: 'lantern',
      tool: 'read_file',
      name: 'read_file',
      arguments: '{"file":"<b>a</b>"}',
      state: 'asking',
      result: null,
      createdAt: 1,
      startedAt: null,
      endedAt: null,
    };
    const onanswer = vi.fn();
    card = mount(ToolConsentCard, {
      target: document.body,
      props: { call, first: true, onanswer },
    });
    flushSync();
    const consent = document.querySelector<HTMLElement>('[data-testid="tool-consent"]')!;
    expect(document.activeElement).toBe(consent);
    expect(consent.querySelector('[role="alert"]')?.textContent).toContain('read_file');
    expect(consent.querySelector('pre')?.textContent).toBe('{\n  "file": "<b>a</b>"\n}');
    const button = (name: string) =>
      consent.querySelector<HTMLButtonElement>(`[data-testid="tool-consent-${name}"]`)!;
    button('chat').click();
    flushSync();
    button('always').click();
    expect(onanswer.mock.calls).toEqual([['chat']]);
  });
});
