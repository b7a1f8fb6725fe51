/** What a dragged conversation is called while it is carried: nobody else takes it, least of all as text. */
export const DRAGGED = 'application/x-lantern-conversation';
