/** The tree of a conversation as a list of rows: only where it forks, and where each line ends. */
import type { Message } from '../../backend/types';
import { splitThinking } from '../../shared/markdown/thinking';

export interface Row {
  id: string;
  role: 'user' | 'assistant';
  /** The beginning of what was said. */
  words: string;
  /** How many forks lie above it. */
  depth: number;
  /** Messages between the row above in its line and this one, this one included. */
  steps: number;
  /** Whether it lies on the branch that is shown. */
  shown: boolean;
}

const WORDS = 80;

/** Rows for every first message, every version at a fork, and every end of a line. `shown` is the branch on show. */
export function forks(messages: readonly Message[], shown: ReadonlySet<string>): Row[] {
  const children = new Map<string | null, Message[]>();
  const known = new Set(messages.map(({ id }) => id));
  for (const message of messages) {
    if (message.role !== 'user' && message.role !== 'assistant') continue;
    const parent =
      message.parentId !== null && known.has(message.parentId) ? message.parentId : null;
    const beside = children.get(parent);
    if (beside) beside.push(message);
    else children.set(parent, [message]);
  }
  const rows: Row[] = [];
  const open = (children.get(null) ?? []).map((message) => ({ message, depth: 0, forked: true }));
  open.reverse();
  for (let next = open.pop(); next; next = open.pop()) {
    let { message, forked } = next;
    const { depth } = next;
    let steps = 1;
    for (;;) {
      const below: Message[] = children.get(message.id) ?? [];
      if (forked || below.length !== 1) {
        rows.push(row(message, depth, steps, shown));
        steps = 0;
      }
      if (below.length !== 1) {
        const deeper = below.length > 1 ? depth + 1 : depth;
        for (const one of [...below].reverse()) {
          open.push({ message: one, depth: deeper, forked: true });
        }
        break;
      }
      message = below[0] as Message;
      forked = false;
      steps += 1;
    }
  }
  return rows;
}

/** Words on one line, without the signs that make Markdown of them. */
function plain(markdown: string): string {
  return markdown
    .replace(/^\s*(#{1,6}|>|[-*+])\s+/gm, '')
    .replace(/\*\*|__|~~|`+/g, '')
    .replace(/\s+/g, ' ')
    .trim();
}

function row(message: Message, depth: number, steps: number, shown: ReadonlySet<string>): Row {
  const words = plain(splitThinking(message.content, false).answer).slice(0, WORDS);
  const role = message.role === 'user' ? 'user' : 'assistant';
  return { id: message.id, role, words, depth, steps, shown: shown.has(message.id) };
}
