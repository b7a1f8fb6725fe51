/** What a model reads of a branch, message by message. */
import type { Message } from '../../backend/types';
import type { BranchNode } from '../chat/tree';

/** How a message reaches the model. */
export type Mark = 'read' | 'summarised' | 'dropped';

/** Where what is not read as it stands ends: ids of messages, `null` where there is none of the kind. */
export interface Sight {
  summarisedTo: string | null;
  droppedTo: string | null;
}

/** The same as places on a branch: the last one of each kind, -1 for none. */
export interface Ends {
  summarised: number;
  dropped: number;
}

export const NOTHING: Ends = { summarised: -1, dropped: -1 };

/** The place on the branch that a message has, or the nearest one above it that is shown; -1 where there is none. */
export function placeOf(
  id: string | null,
  branch: readonly BranchNode[],
  messages: readonly Message[],
): number {
  if (id === null) return -1;
  const byId = new Map(messages.map((message) => [message.id, message]));
  const places = new Map<string, number>();
  branch.forEach((node, place) => {
    for (const earlier of node.earlier ?? []) places.set(earlier.id, place);
    places.set(node.message.id, place);
  });
  const seen = new Set<string>();
  let current: string | null = id;
  while (current !== null && !seen.has(current)) {
    const place = places.get(current);
    if (place !== undefined) return place;
    seen.add(current);
    current = byId.get(current)?.parentId ?? null;
  }
  return -1;
}

export function endsOf(
  sight: Sight,
  branch: readonly BranchNode[],
  messages: readonly Message[],
): Ends {
  return {
    summarised: placeOf(sight.summarisedTo, branch, messages),
    dropped: placeOf(sight.droppedTo, branch, messages),
  };
}

/** For an answer of which only the numbers are kept: the oldest messages, counted as they are stored. */
export function endsByCounts(
  summarised: number,
  dropped: number,
  branch: readonly BranchNode[],
): Ends {
  if (summarised + dropped === 0) return NOTHING;
  let stored = 0;
  const ends = { ...NOTHING };
  branch.forEach((node, place) => {
    // Each round of an answer is its own message and at least one result.
    stored += 1 + 2 * (node.earlier?.length ?? 0);
    if (stored <= summarised) ends.summarised = place;
    else if (stored <= summarised + dropped) ends.dropped = place;
  });
  return ends;
}

/** Where both happened, what is left out follows what the summary is of. */
export function markAt(place: number, ends: Ends): Mark {
  if (place <= ends.summarised) return 'summarised';
  return place <= ends.dropped ? 'dropped' : 'read';
}

/** How many of so many messages have each mark. */
export function countMarks(total: number, ends: Ends): Record<Mark, number> {
  const summarised = Math.min(total, ends.summarised + 1);
  const dropped = Math.max(0, Math.min(total, ends.dropped + 1) - summarised);
  return { summarised, dropped, read: total - summarised - dropped };
}
