/** The tree of a conversation's messages: which branch is shown, and which others stand beside it. */
import type { Message } from '../../backend/types';

export interface BranchNode {
  message: Message;
  /** Ids of the messages with the same parent and role, this one included, oldest first. */
  alternatives: string[];
  /** Where this one stands among them. */
  index: number;
  /** Messages of the same answer before this one, each of which ended with calls of tools. */
  earlier?: Message[];
}

/** The branch with an answer's rounds as one: its last message, with the alternatives of its first. */
export function withRoundsJoined(branch: readonly BranchNode[]): BranchNode[] {
  const joined: BranchNode[] = [];
  let goesOn = false;
  for (const node of branch) {
    const { role } = node.message;
    const before = joined.at(-1);
    if (role === 'tool') {
      goesOn = true;
    } else if (role === 'assistant' && goesOn && before?.message.role === 'assistant') {
      const earlier = [...(before.earlier ?? []), before.message];
      const first = before.alternatives.length > 1 || node.alternatives.length < 2;
      const { alternatives, index } = first ? before : node;
      joined[joined.length - 1] = { message: node.message, alternatives, index, earlier };
      goesOn = false;
    } else if (role !== 'system') {
      joined.push(node);
      goesOn = false;
    }
  }
  return joined;
}

/** The shown branch, from the first message down to the leaf. Without a leaf, the branch of the newest message. */
export function branchTo(messages: readonly Message[], leafId: string | null): BranchNode[] {
  const byId = new Map(messages.map((message) => [message.id, message]));
  const forks = forksOf(messages);
  const branch: BranchNode[] = [];
  let current = (leafId !== null ? byId.get(leafId) : undefined) ?? messages.at(-1);
  // No branch is longer, unless it goes in a circle.
  while (current && branch.length < messages.length) {
    const { parentId, id, role } = current;
    const beside = forks.get(parentId)?.filter((other) => other.role === role);
    const alternatives = beside?.map((other) => other.id) ?? [id];
    branch.push({ message: current, alternatives, index: alternatives.indexOf(id) });
    current = parentId !== null ? byId.get(parentId) : undefined;
  }
  return branch.reverse();
}

/**
 * The branch on show, remembered: where messages only came in behind its end, or the last one changed, what stands above
 * is taken over as it is. A long conversation is walked once, not with every word that is said in it.
 */
export class ShownBranch {
  #messages: readonly Message[] = [];
  #nodes: BranchNode[] = [];

  /** The same as {@link branchTo}. */
  to(messages: readonly Message[], leafId: string | null): BranchNode[] {
    this.#nodes = this.#goneOn(messages, leafId) ?? branchTo(messages, leafId);
    this.#messages = messages;
    return this.#nodes;
  }

  /** The branch as it was with its new end; `null` where more has changed. */
  #goneOn(messages: readonly Message[], leafId: string | null): BranchNode[] | null {
    const last = this.#nodes.at(-1);
    if (last === undefined) return null;
    const before = this.#messages;
    const from = firstDifference(before, messages);
    const { id, parentId, role } = last.message;
    if (from === before.length) {
      const added = messages.slice(from);
      const isLine = added.every((one, place) => one.parentId === (added[place - 1]?.id ?? id));
      const isFork = added.length > 0 && before.some((one) => one.parentId === id);
      if (!isLine || isFork || leafId !== (added.at(-1)?.id ?? id)) return null;
      return [...this.#nodes, ...added.map(alone)];
    }
    const one = messages[from];
    if (from !== before.length - 1 || messages.length !== before.length) return null;
    const isSame = one?.id === id && one.parentId === parentId && one.role === role;
    return isSame && leafId === id ? this.#nodes.with(-1, { ...last, message: one }) : null;
  }
}

/** A message with none beside it. */
function alone(message: Message): BranchNode {
  return { message, alternatives: [message.id], index: 0 };
}

/** The first place at which two lists differ: the length of the shorter one where that is all of the other's beginning. */
function firstDifference(one: readonly Message[], other: readonly Message[]): number {
  const end = Math.min(one.length, other.length);
  let place = 0;
  while (place < end && one[place] === other[place]) place += 1;
  return place;
}

/** The messages that follow the same one, where there are several. */
function forksOf(messages: readonly Message[]): Map<string | null, Message[]> {
  const only = new Map<string | null, Message>();
  const forks = new Map<string | null, Message[]>();
  for (const message of messages) {
    const { parentId } = message;
    const [first, beside] = [only.get(parentId), forks.get(parentId)];
    if (first === undefined) only.set(parentId, message);
    else if (beside === undefined) forks.set(parentId, [first, message]);
    else beside.push(message);
  }
  return forks;
}

/** The end of the newest line below this message; the message itself when nothing follows. */
export function newestLeafUnder(messages: readonly Message[], id: string): string {
  const newest = new Map(messages.map((message) => [message.parentId, message.id]));
  const seen = new Set<string>();
  let leaf = id;
  for (;;) {
    const next = newest.get(leaf);
    if (next === undefined || seen.has(next)) return leaf;
    seen.add(next);
    leaf = next;
  }
}

/** The messages with this one in place of its older version, or added at the end. */
export function withMessage(messages: readonly Message[], message: Message): Message[] {
  const index = messages.findIndex((other) => other.id === message.id);
  return index < 0 ? [...messages, message] : messages.with(index, message);
}

/** All of a conversation's messages, where some of them are here already, and perhaps newer. */
export function joined(all: readonly Message[], here: readonly Message[]): Message[] {
  const mine = new Map(here.map((message) => [message.id, message]));
  const known = new Set(all.map(({ id }) => id));
  const newer = here.filter(({ id }) => !known.has(id));
  return [...all.map((message) => mine.get(message.id) ?? message), ...newer];
}
