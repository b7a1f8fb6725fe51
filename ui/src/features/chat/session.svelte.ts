/**
 * One open conversation: its messages, the branch that is shown, and the answer being written, if any.
 * A session goes on living while its answer streams, whether it is shown or not.
 */
import { toErrorInfo, type Backend } from '../../backend';
import type {
  ChatEvent,
  ChosenTools,
  Conversation,
  ConversationView,
  ErrorInfo,
  Message,
  SentWith,
  Summary,
  ToolCall,
  ToolConsent,
  ToolRound,
} from '../../backend/types';
import { SessionFiles } from '../knowledge/files.svelte';
import { withCall } from '../tools/calls';
import { LiveAnswer } from './live.svelte';
import { MessageQueue } from './queue.svelte';
import { joined, newestLeafUnder, ShownBranch, withMessage, withRoundsJoined } from './tree';

/** A request that the database has not confirmed yet. */
interface Pending {
  /** The person's words, shown at once; `null` when an answer is only regenerated. */
  content: string | null;
  /** The message that the new one follows: the branch is shown up to here. */
  after: string | null;
}

/** A request that failed before it left a message behind. */
export interface Failure {
  error: ErrorInfo;
  /** The person's words that were not sent; they stay on show. */
  content: string | null;
  retry: () => void;
}

/** How often an answer that another window began is looked at, in milliseconds. */
const WATCH_EVERY = 1000;

export class ChatSession {
  conversation = $state.raw<Conversation | null>(null);
  messages = $state.raw<Message[]>([]);
  leafId = $state<string | null>(null);
  /** The model that the user picked for the next message. */
  pickedModel = $state<string | null>(null);
  /** Id of the assistant that a conversation which has not begun is to have. */
  assistantId = $state<string | null>(null);
  /** Tools that were chosen in place of the assistant's. */
  pickedTools: ChosenTools | null = null;
  failure = $state.raw<Failure | null>(null);
  readonly live = new LiveAnswer();
  stopping = $state(false);
  summaries = $state.raw<Summary[]>([]);
  /** The message to be scrolled to, such as one that a search found. */
  target = $state<string | null>(null);
  readonly files: SessionFiles;
  /** What is to be sent when this answer has ended. */
  readonly queue = new MessageQueue();
  /** Calls of tools, of all branches. */
  calls = $state.raw<ToolCall[]>([]);

  #pending = $state.raw<Pending | null>(null);
  readonly #shown = new ShownBranch();
  #watch: ReturnType<typeof setTimeout> | null = null;
  readonly #backend: Backend;
  readonly #onChange: (session: ChatSession) => void;

  /** `onChange` hears when the conversation got its id, and when an answer began or ended. */
  constructor(backend: Backend, onChange: (session: ChatSession) => void = () => {}) {
    this.#backend = backend;
    this.files = new SessionFiles(backend);
    this.#onChange = onChange;
  }

  /** The branch on show. While a request is pending it ends where the new message will follow. */
  readonly branch = $derived.by(() => {
    const [whole, pending] = [this.#whole, this.#pending];
    if (pending === null) return whole;
    const end = whole.findLastIndex(({ message }) => message.id === pending.after);
    // The same list where nothing is left out: who depends on it has nothing to do.
    return end + 1 === whole.length ? whole : whole.slice(0, end + 1);
  });
  readonly #whole = $derived(withRoundsJoined(this.#shown.to(this.messages, this.leafId)));

  readonly busy = $derived(this.#pending !== null || this.live.id !== null);
  /** The person's words that are on their way to the database. */
  readonly pendingContent = $derived(this.#pending?.content ?? this.failure?.content ?? null);
  /** Whether an answer is expected that has no message yet. */
  readonly awaiting = $derived(this.#pending !== null);
  readonly isEmpty = $derived(
    this.branch.length === 0 && this.#pending === null && this.failure === null,
  );

  /** An answer that is being written, but not through this session (another window, or before a reload). */
  readonly foreignStreamId = $derived(
    this.messages.find(({ id, status }) => status === 'streaming' && id !== this.live.id)?.id ??
      null,
  );

  show(view: ConversationView, calls: ToolCall[] = this.calls): void {
    this.calls = calls;
    this.conversation = view.conversation;
    this.messages = view.messages;
    this.summaries = view.summaries;
    this.leafId = view.conversation.leafId;
    void this.files.load(view.conversation.id);
    if (this.foreignStreamId !== null) this.#watchForeign();
  }

  /**
   * Fetches the rest of a conversation of which only the end is shown, in pieces between which the window draws. What
   * came in between stays as it is here.
   */
  async showWhole(): Promise<void> {
    const id = this.conversation?.id;
    if (id === undefined) return;
    try {
      const all: Message[] = [];
      let piece;
      do {
        piece = await this.#backend.messagesAfter(id, all.at(-1)?.id ?? null);
        all.push(...piece);
      } while (piece.length > 0);
      this.messages = joined(all, this.messages);
    } catch (cause) {
      const retry = () => void this.showWhole();
      this.failure = { error: toErrorInfo(cause), content: null, retry };
    }
  }

  send(content: string): void {
    const after = this.branch.at(-1)?.message.id ?? null;
    const request = {
      conversationId: this.conversation?.id ?? null,
      parentId: after,
      content,
      model: this.pickedModel,
    };
    const sentWith = this.#sentWith();
    this.#run({ content, after }, (onEvent) =>
      this.#backend.sendMessage(request, onEvent, sentWith),
    );
  }

  /** What goes with the next message: files and, with the first one, the assistant. */
  #sentWith(): SentWith | undefined {
    const files = this.files.sentWith();
    if (this.conversation !== null || this.assistantId === null) return files;
    return {
      attachments: files?.attachments ?? [],
      folders: this.files.chosenFolders(),
      assistant: this.assistantId,
      ...(this.pickedTools ? { tools: this.pickedTools } : {}),
    };
  }

  /** Writes another answer beside this one: by the picked model, or by this one for once. */
  regenerate(messageId: string, model: string | null = this.pickedModel): void {
    const message = this.messages.find(({ id }) => id === messageId);
    if (!message) return;
    const earlier = this.branch.find((node) => node.message === message)?.earlier?.[0];
    // What failed or was cut off behind calls is tried again without calling anew; else all rounds are written again.
    const isBroken = message.status === 'failed' || message.status === 'interrupted';
    const first = earlier && !isBroken ? earlier.id : messageId;
    this.#run({ content: null, after: (earlier ?? message).parentId }, (onEvent) =>
      this.#backend.regenerate(first, model, onEvent),
    );
  }

  callsOf(messageId: string): ToolCall[] {
    return this.calls.filter((call) => call.messageId === messageId);
  }

  /** The user's word on a call that waits for it. */
  async answerCall(id: string, consent: ToolConsent): Promise<void> {
    try {
      await this.#backend.answerToolCall(id, consent);
    } catch (cause) {
      const retry = () => void this.answerCall(id, consent);
      this.failure = { error: toErrorInfo(cause), content: null, retry };
    }
  }

  /** Whether an answer ended with calls that nothing came after. */
  canContinue(messageId: string): boolean {
    const calls = this.callsOf(messageId);
    const isOpen = calls.some(({ state }) => state === 'asking' || state === 'running');
    return !this.busy && this.leafId === messageId && calls.length > 0 && !isOpen;
  }

  /** Goes on with an answer that was cut. */
  continueAnswer(messageId: string): void {
    const message = this.messages.find(({ id }) => id === messageId);
    if (!message) return;
    this.#run({ content: null, after: message.parentId }, (onEvent) =>
      this.#backend.continueAnswer(messageId, onEvent),
    );
  }

  /** Goes on behind the calls that an answer ended with. */
  continueCalls(messageId: string): void {
    if (!this.canContinue(messageId)) return;
    this.#run({ content: null, after: messageId }, (onEvent) =>
      this.#backend.continueCalls(messageId, onEvent),
    );
  }

  edit(messageId: string, content: string): void {
    const message = this.messages.find(({ id }) => id === messageId);
    if (!message) return;
    this.#run({ content, after: message.parentId }, (onEvent) =>
      this.#backend.editMessage(messageId, content, this.pickedModel, onEvent),
    );
  }

  /** What the user wrote meanwhile goes out; after a stop or a failure they decide themselves. */
  sendQueued(): void {
    const next = this.queue.take();
    if (next !== null) this.send(next);
  }

  /** Stops the answer; its text so far is kept. Asked before the answer has begun, it stops it as it begins. */
  async stop(): Promise<void> {
    const id = this.live.id ?? this.foreignStreamId;
    this.stopping = true;
    if (id === null) return;
    try {
      await this.#backend.stopMessage(id);
    } catch (cause) {
      this.stopping = false;
      this.failure = { error: toErrorInfo(cause), content: null, retry: () => void this.stop() };
    }
  }

  async selectBranch(messageId: string): Promise<void> {
    if (this.busy || !this.conversation) return;
    const before = this.leafId;
    const leaf = newestLeafUnder(this.messages, messageId);
    this.leafId = leaf;
    try {
      await this.#backend.selectBranch(this.conversation.id, leaf);
    } catch (cause) {
      this.leafId = before;
      const retry = () => void this.selectBranch(messageId);
      this.failure = { error: toErrorInfo(cause), content: null, retry };
    }
  }

  /** Shows the branch through a message and scrolls to it. */
  reveal(messageId: string): void {
    if (!this.messages.some(({ id }) => id === messageId)) return;
    const isShown = this.branch.some(({ message }) => message.id === messageId);
    if (!isShown && !this.busy) void this.selectBranch(messageId);
    this.target = messageId;
  }

  dismissFailure(): void {
    this.failure = null;
  }

  /** Lets go of timers; the session must not be used afterwards. */
  dispose(): void {
    this.live.dispose();
    if (this.#watch !== null) clearTimeout(this.#watch);
  }

  #run(pending: Pending, request: (onEvent: (event: ChatEvent) => void) => Promise<void>): void {
    if (this.busy) return;
    this.failure = null;
    this.stopping = false;
    this.live.expect();
    this.#pending = pending;
    this.#onChange(this);
    request((event) => this.#take(event)).catch((cause: unknown) => {
      // Once the answer has a message, its own `failed` event tells the story.
      if (this.#pending === null) return;
      this.#pending = null;
      this.stopping = false;
      const retry = () => this.#run(pending, request);
      this.failure = { error: toErrorInfo(cause), content: pending.content, retry };
      this.#onChange(this);
    });
  }

  #take(event: ChatEvent): void {
    switch (event.type) {
      case 'started':
        this.#begin(event.conversation, event.userMessage, event.assistantMessage);
        break;
      case 'summarised':
        this.live.take(event);
        this.#summarise(event.messageIds.at(-1), event.text);
        break;
      case 'sources':
        this.files.saw(event.sources);
        break;
      case 'tool_call':
        this.calls = withCall(this.calls, event.call);
        if (event.call.state === 'asking') this.#onChange(this);
        break;
      case 'round':
        this.#nextRound(event.round);
        break;
      case 'finished':
        this.#end(event.message);
        break;
      case 'failed':
        this.#end({ ...event.message, error: event.message.error ?? event.error });
        break;
      default:
        this.live.take(event);
    }
  }

  #summarise(messageId: string | undefined, text: string): void {
    if (messageId === undefined) return;
    const same = this.summaries.find((summary) => summary.messageId === messageId);
    if (same?.text === text) return;
    const others = this.summaries.filter((summary) => summary !== same);
    this.summaries = [...others, { messageId, text, edited: false }];
  }

  #begin(conversation: Conversation, user: Message | null, assistant: Message): void {
    let messages = this.messages;
    if (user) messages = withMessage(messages, user);
    this.messages = withMessage(messages, assistant);
    this.conversation = conversation;
    this.files.began(conversation.id, user?.id ?? null);
    this.leafId = assistant.id;
    this.live.begin(assistant);
    this.#pending = null;
    this.live.clock.begin();
    this.#onChange(this);
    if (this.stopping) void this.stop();
  }

  /** What is written from now on is another message of the same answer. */
  #nextRound({ answered, results, assistantMessage }: ToolRound): void {
    const stored = [answered, ...results, assistantMessage];
    this.messages = stored.reduce<Message[]>(withMessage, this.messages);
    this.leafId = assistantMessage.id;
    this.live.expect();
    this.live.begin(assistantMessage);
  }

  #end(message: Message): void {
    this.live.end();
    this.messages = withMessage(this.messages, message);
    this.#pending = null;
    this.stopping = false;
    this.#onChange(this);
    if (message.status === 'complete' || message.status === 'truncated') this.sendQueued();
  }

  #watchForeign(): void {
    if (this.#watch !== null) clearTimeout(this.#watch);
    this.#watch = setTimeout(async () => {
      const id = this.conversation?.id;
      if (!id || this.busy) return;
      try {
        const calls = this.#backend.toolCalls(id);
        this.show(await this.#backend.getConversation(id), await calls);
        if (this.foreignStreamId === null) this.stopping = false;
      } catch {
        // The conversation is gone; whoever removed it tells the rest of the window.
      }
    }, WATCH_EVERY);
  }
}
