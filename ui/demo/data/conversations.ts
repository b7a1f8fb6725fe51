/** Made-up conversations, folders and what a search finds in them. */
import type {
  Conversation,
  ConversationSummary,
  Folder,
  Found,
  ImportReport,
  Message,
} from '../../src/backend/types';
import { MODEL } from './library';
import { HOUR, NOW } from './time';

export const LONG_ANSWER = `A **Fresnel lens** bends light with thin rings instead of one thick block of glass.

## How it works

1. Each ring is a small prism with its own angle.
2. Together they throw the light of one lamp into a *single, level beam*.
3. The middle of each prism does nothing for the bending, so it is left out:
   - less weight,
   - less glass for the light to be lost in.

> “A million unsuspecting sailors owe him their lives.” It is a saying, not a figure.

| Order | Focal length | Height | Typical place |
|:------|-------------:|-------:|---------------|
| First | 920 mm | 2.59 m | sea coasts |
| Third | 500 mm | 1.58 m | bays, large lakes |
| Sixth | 150 mm | 0.43 m | piers, breakwaters |

Here is the focal length in code, with \`radius\` in millimetres:

\`\`\`python
from dataclasses import dataclass

@dataclass
class Ring:
    """One prism of the lens."""
    radius: float  # mm
    index: float = 1.52

    def angle(self, focal_length: float) -> float:
        # Snell's law for a thin prism
        return self.radius / (focal_length * (self.index - 1))

rings = [Ring(radius=r) for r in range(50, 950, 50)]
print(f"{len(rings)} rings, last angle {rings[-1].angle(920):.3f} rad")
\`\`\`

More is in [the encyclopaedia](https://en.wikipedia.org/wiki/Fresnel_lens), and a picture: ![a lens in its lantern room](https://example.org/lens.jpg)

- [x] order the glass
- [ ] polish the brass

A very long word to wrap: ${'lighthouse'.repeat(14)}`;

function conversation(id: string, title: string, age: number, extra: Partial<Conversation> = {}) {
  const time = NOW - age;
  return {
    id,
    title,
    model: null,
    systemPrompt: null,
    contextLength: null,
    pinned: false,
    leafId: null,
    createdAt: time,
    updatedAt: time,
    folderId: null,
    archived: false,
    temporary: false,
    ...extra,
  };
}

export const CONVERSATIONS: Conversation[] = [
  conversation('c1', 'How a lighthouse lens works', 0.1 * HOUR, { leafId: 'm6', model: MODEL }),
  conversation('c2', 'Declining an invitation politely', 2 * HOUR, { leafId: 'k2' }),
  conversation('c3', 'Words in a file, counted with Python', 26 * HOUR),
  conversation(
    'c4',
    'A rather long title about the history of tea in the northern hemisphere',
    30 * HOUR,
  ),
  conversation('c5', 'Soup for six', 80 * HOUR, { folderId: 'f1' }),
  conversation('c6', 'Packing list', 24 * 40 * HOUR),
  conversation('c7', 'Bread without kneading', 24 * 50 * HOUR, { folderId: 'f1' }),
  conversation('c8', 'Things to ask the plumber', 24 * 60 * HOUR, { archived: true }),
];

const stats = {
  promptTokens: 412,
  cachedTokens: 389,
  completionTokens: 538,
  firstTokenSeconds: 0.31,
  tokensPerSecond: 41.7,
  droppedMessages: 0,
  summarisedMessages: 0,
};

function message(id: string, parentId: string | null, extra: Partial<Message>): Message {
  return {
    id,
    conversationId: 'c1',
    parentId,
    role: 'user',
    content: '',
    status: 'complete',
    model: null,
    error: null,
    stats: null,
    createdAt: NOW - HOUR,
    ...extra,
  };
}

export const MESSAGES: Message[] = [
  message('m1', null, { content: 'Explain how a lighthouse lens works.' }),
  message('m2', 'm1', { role: 'assistant', content: 'It gathers light.', model: MODEL, stats }),
  message('m3', 'm1', { role: 'assistant', content: LONG_ANSWER, model: MODEL, stats }),
  message('m4', 'm3', { content: 'Thanks! And who invented it?\nPlease be brief.' }),
  message('m5', 'm4', {
    role: 'assistant',
    content:
      '<think>The user wants a name. It was Augustin-Jean Fresnel, in 1822.</think>Augustin-Jean Fresnel, a French physicist, in 1822',
    status: 'stopped',
    model: 'gpu-box/openai/gpt-oss-120b',
    stats: { ...stats, completionTokens: 12 },
  }),
  message('m6', 'm4', {
    role: 'assistant',
    content: 'It was first lit at',
    status: 'failed',
    model: MODEL,
    error: {
      code: 'context_overflow',
      message:
        'The conversation has 8,412 tokens and the answer may take 512, but the context holds 8,192.',
      nextStep: 'Raise the context length in the settings, or start a new chat.',
    },
  }),
];

export const FOLDERS: Folder[] = [
  { id: 'f1', name: 'Kitchen', createdAt: 1 },
  { id: 'f2', name: 'Work', createdAt: 1 },
];

/** Thousands of conversations. */
export function many(): ConversationSummary[] {
  return Array.from({ length: 5000 }, (_, number) => ({
    conversation: conversation(`many${number}`, `Conversation ${number}`, number * HOUR),
    snippet: null,
  }));
}

/** What a search for this finds. */
export function found(query: string): Found {
  if (query === '' || 'nothing'.startsWith(query)) return { hits: [], messages: 0, more: false };
  const first = CONVERSATIONS[0]!;
  const hit = (messageId: string | null, role: 'user' | 'assistant' | null, snippet: string) => ({
    conversation: first,
    messageId,
    role,
    model: role === 'assistant' ? MODEL : null,
    createdAt: first.createdAt,
    snippet,
  });
  const mark = `\u2068${query}\u2069`;
  const hits = [
    hit(null, null, `How a ${mark}house lens works`),
    hit(
      'm2',
      'assistant',
      `…one lamp into a single, level ${mark} beam that reaches far out to sea, …`,
    ),
    hit('m1', 'user', `How does the lens of a ${mark}house work? Please`),
  ];
  return { hits, messages: 2, more: false };
}

export const REPORT: ImportReport = {
  files: [
    {
      name: '/home/ada/chatgpt.zip: conversations.json',
      source: 'ChatGPT',
      conversations: 214,
      messages: 3120,
      known: 3,
      kept: [
        { what: 'details', count: 3120 },
        { what: 'results of tools', count: 12 },
      ],
      left: [{ what: 'files that are no conversations', count: 31 }],
      error: null,
    },
  ],
};

export const FAILED_REPORT: ImportReport = {
  files: [
    {
      name: '/home/ada/backup.json',
      source: null,
      conversations: 0,
      messages: 0,
      known: 0,
      kept: [],
      left: [],
      error: {
        code: 'import_unreadable',
        message: 'backup.json ends in the middle of a value, at byte 18,204.',
        nextStep: 'Export it again, or copy the file anew.',
      },
    },
  ],
};

export function summaries(query: string | null): ConversationSummary[] {
  return CONVERSATIONS.filter(
    ({ title }) => !query || title.toLowerCase().includes(query.toLowerCase()),
  ).map((conversation) => ({
    conversation,
    snippet: query
      ? `… one lamp into a single, level \u2068${query}\u2069 beam that reaches far …`
      : null,
  }));
}
