/** Servers of tools, and which tools the open conversation may use. */
import { failureOf, type Backend } from '../../backend';
import type {
  ChosenTool,
  ChosenTools,
  ErrorInfo,
  NewToolServer,
  ToolInfo,
  ToolServerInfo,
} from '../../backend/types';

/** A tool in the menu: `changed` is not what the user switched on, and is not offered to the model. */
export type Switch = 'on' | 'off' | 'changed';

const NONE: ChosenTools = { tools: [], required: false };

export class ToolsController {
  servers = $state.raw<ToolServerInfo[]>([]);
  chosen = $state.raw<ChosenTools>(NONE);
  error = $state.raw<ErrorInfo | null>(null);
  addError = $state.raw<ErrorInfo | null>(null);
  /** The server that the user is signing in to. */
  signingIn = $state<string | null>(null);
  /** Somebody looks at the servers, so what changes is read anew. */
  isShown = false;
  /** What the user chose for a conversation that has not begun and has an assistant with tools of its own. */
  own = $state.raw<ChosenTools | null>(null);
  /** Whether what is chosen is for that conversation alone. */
  #isDraft = false;
  #conversation: string | null = null;
  readonly #backend: Backend;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** How many tools the model is told of. */
  readonly count = $derived(this.chosen.tools.length);

  /** Tools that were switched on and cannot be called: their server is off or gone, or has them no longer. */
  readonly gone = $derived(
    this.servers.length === 0
      ? []
      : this.chosen.tools.filter(({ server, tool }) => {
          const known = this.servers.find(({ name }) => name === server);
          if (!known?.enabled) return true;
          return known.state.state === 'ready' && !known.tools.some(({ name }) => name === tool);
        }),
  );

  /** Starts servers that are switched on. */
  refresh(): Promise<boolean> {
    this.isShown = true;
    return this.#attempt(async () => {
      this.servers = await this.#backend.toolServers();
    });
  }

  changed(): void {
    if (this.isShown) void this.refresh();
  }

  /** The tools of this conversation are on show from now on; without one, its assistant's, or those of new ones. */
  async show(conversationId: string | null, assistants: ChosenTools | null = null): Promise<void> {
    this.#conversation = conversationId;
    this.#isDraft = conversationId === null && assistants !== null;
    this.own = null;
    if (this.#isDraft) {
      this.chosen = assistants ?? NONE;
      return;
    }
    await this.#attempt(async () => {
      const chosen = await this.#backend.chosenTools(conversationId);
      if (this.#conversation === conversationId && !this.#isDraft) this.chosen = chosen;
    });
  }

  switchOf(server: string, tool: ToolInfo): Switch {
    const known = this.chosen.tools.find(
      (chosen) => chosen.server === server && chosen.tool === tool.name,
    );
    if (!known) return 'off';
    return known.hash === tool.hash ? 'on' : 'changed';
  }

  set(server: string, tools: readonly ToolInfo[], on: boolean): Promise<boolean> {
    const names = tools.map(({ name }) => name);
    const others = this.chosen.tools.filter(
      (chosen) => chosen.server !== server || !names.includes(chosen.tool),
    );
    const added: ChosenTool[] = tools.map(({ name, hash }) => ({ server, tool: name, hash }));
    return this.#choose({ ...this.chosen, tools: on ? [...others, ...added] : others });
  }

  drop(gone: ChosenTool): Promise<boolean> {
    const tools = this.chosen.tools.filter((chosen) => chosen !== gone);
    return this.#choose({ ...this.chosen, tools });
  }

  require(required: boolean): Promise<boolean> {
    return this.#choose({ ...this.chosen, required });
  }

  async add(server: NewToolServer): Promise<boolean> {
    this.addError = await failureOf(() => this.#backend.addToolServer(server));
    if (this.addError !== null) return false;
    await this.refresh();
    return true;
  }

  remove(name: string): Promise<boolean> {
    return this.#change(() => this.#backend.removeToolServer(name));
  }

  enable(name: string, enabled: boolean): Promise<boolean> {
    return this.#change(() => this.#backend.enableToolServer(name, enabled));
  }

  restart(name: string): Promise<boolean> {
    return this.#change(() => this.#backend.restartToolServer(name));
  }

  askBefore(server: string, tool: string | null): Promise<boolean> {
    return this.#change(() => this.#backend.askBeforeTool(server, tool));
  }

  signOut(name: string): Promise<boolean> {
    return this.#change(() => this.#backend.signOutToolServer(name));
  }

  async signIn(name: string): Promise<void> {
    this.signingIn = name;
    await this.#change(() => this.#backend.signInToolServer(name));
    this.signingIn = null;
  }

  async #choose(chosen: ChosenTools): Promise<boolean> {
    const before = this.chosen;
    this.chosen = chosen;
    if (this.#isDraft) {
      this.own = chosen;
      return true;
    }
    const kept = await this.#attempt(() => this.#backend.chooseTools(this.#conversation, chosen));
    if (!kept) this.chosen = before;
    return kept;
  }

  async #change(action: () => Promise<unknown>): Promise<boolean> {
    const done = await this.#attempt(action);
    const why = this.error;
    await this.refresh();
    if (!done) this.error = why;
    return done;
  }

  async #attempt(action: () => Promise<unknown>): Promise<boolean> {
    this.error = await failureOf(action);
    return this.error === null;
  }
}
