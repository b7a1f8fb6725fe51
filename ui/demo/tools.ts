/** Made-up tools for the quick loop: servers, a conversation with calls, and one that waits for the user's word. */
import type {
  ChosenTools,
  Message,
  ToolCall,
  ToolInfo,
  ToolServerInfo,
} from '../src/backend/types';
import * as data from './data';

function tool(name: string, description: string, extra: Partial<ToolInfo> = {}): ToolInfo {
  const title = null;
  return {
    name,
    title,
    description,
    parameters: '{}',
    hash: name,
    readOnly: false,
    always: false,
    ...extra,
  };
}

const OWN = [
  tool('calculator', 'Calculates exactly, with numbers of any length.', {
    title: 'Calculator',
    readOnly: true,
    always: true,
  }),
  tool('date_and_time', 'Tells the date, the day of the week and the time.', {
    title: 'Date and time',
    readOnly: true,
  }),
  tool('search_conversations', 'Finds the user’s earlier conversations.', {
    title: 'Search my conversations',
    readOnly: true,
  }),
];

const BLANK = { enabled: true, signedIn: false, leftOut: [], written: [], tools: [] };

const SERVERS: ToolServerInfo[] = [
  { ...BLANK, name: 'lantern', transport: null, state: { state: 'ready' }, tools: OWN },
  {
    ...BLANK,
    name: 'everything',
    transport: {
      type: 'command',
      command: 'npx',
      args: ['-y', '@modelcontextprotocol/server-everything'],
      env: { API_KEY: '' },
      folder: null,
    },
    state: { state: 'ready' },
    tools: [
      tool('echo', 'Echoes back the input.'),
      tool('get-sum', 'Returns the sum of two numbers.'),
    ],
    written: ['Starting default (STDIO) server...'],
  },
  {
    ...BLANK,
    name: 'notes',
    transport: { type: 'http', url: 'https://notes.example.org/mcp', headers: {} },
    state: { state: 'sign_in' },
  },
  {
    ...BLANK,
    name: 'broken',
    transport: { type: 'command', command: 'uvx', args: ['mcp-server-git'], env: {}, folder: null },
    state: {
      state: 'failed',
      retrying: false,
      error: {
        code: 'tool_server_start',
        message: '`uvx` could not be started: No such file or directory (os error 2).',
        nextStep:
          'Check the command: the program must be installed, and found by the name you gave.',
      },
    },
  },
];

const call = (extra: Partial<ToolCall>): ToolCall => ({
  id: 'k1',
  messageId: 'r1',
  callId: 'call_1',
  server: 'lantern',
  tool: 'calculator',
  name: 'calculator',
  arguments: '{"expression": "(1299.99 - 150) * 1.19"}',
  state: 'done',
  result: { text: '1368.4881', structured: null, images: [] },
  createdAt: data.NOW,
  startedAt: data.NOW,
  endedAt: data.NOW + 40,
  ...extra,
});

const CALLS: ToolCall[] = [
  call({}),
  call({
    id: 'k2',
    server: 'everything',
    tool: 'get-sum',
    arguments: '{"a": 1}',
    state: 'failed',
    result: { text: 'Error: The tool failed: b is missing.', structured: null, images: [] },
  }),
  call({
    id: 'k3',
    messageId: 'r2',
    server: 'everything',
    tool: 'echo',
    arguments: '{"message": "With tax it is 1368.49.", "loud": false}',
    state: 'asking',
    result: null,
    startedAt: null,
    endedAt: null,
  }),
];

const message = (extra: Partial<Message>): Message => ({
  ...data.MESSAGES[1]!,
  stats: null,
  content: '',
  ...extra,
});

/** A question, a round of calls with its results, and a message whose call waits. */
export const MESSAGES: Message[] = [
  { ...data.MESSAGES[0]!, content: 'What is 1299.99 less 150, with 19 % tax? Then echo it.' },
  message({ id: 'r1', parentId: data.MESSAGES[0]!.id, content: 'I calculate that first.' }),
  message({ id: 't1', parentId: 'r1', role: 'tool', content: '1368.4881' }),
  message({ id: 't2', parentId: 't1', role: 'tool', content: 'Error' }),
  message({ id: 'r2', parentId: 't2', content: 'With tax it is **1368.49**. Now I echo it.' }),
];

let chosen: ChosenTools = {
  tools: [
    { server: 'lantern', tool: 'calculator', hash: 'calculator' },
    { server: 'everything', tool: 'echo', hash: 'as it was before' },
  ],
  required: false,
};

export const commands = (
  scene: string,
): Record<string, (args: Record<string, unknown>) => unknown> => ({
  tool_servers: () => (scene === 'first-run' ? SERVERS.slice(0, 1) : SERVERS),
  chosen_tools: () => (scene === 'tools' ? chosen : { tools: [], required: false }),
  choose_tools: (args) => void (chosen = args.chosen as ChosenTools),
  tool_calls: () => (scene === 'tools' ? CALLS : []),
});
