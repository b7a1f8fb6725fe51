/** Servers whose models stand beside those of this computer, how they do, and what is kept secret for them and the Hub. */
import { failureOf, type Backend } from '../../backend';
import type {
  ErrorInfo,
  NewRemoteServer,
  RemoteModelInfo,
  RemoteServer,
  SecretsStatus,
} from '../../backend/types';
import { splitRemoteId } from './names';

/** Fields of the form, and the codes with which the application refuses what is in them. */
export type Field = 'name' | 'url' | 'key';
const FIELDS: Record<string, Field> = {
  remote_name: 'name',
  remote_address: 'url',
  remote_key: 'key',
};

export class RemotesController {
  servers = $state.raw<RemoteServer[]>([]);
  secrets = $state.raw<SecretsStatus | null>(null);
  /** Whether the servers are being asked right now. */
  asking = $state(false);
  /** Why the list could not be read, or a server not removed. */
  error = $state.raw<ErrorInfo | null>(null);
  /** Why the last server could not be added. */
  addError = $state.raw<ErrorInfo | null>(null);
  tokenError = $state.raw<ErrorInfo | null>(null);
  readonly #backend: Backend;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** The field that the last refusal is about; `null` if it is about none. */
  readonly wrongField = $derived(
    this.addError === null ? null : (FIELDS[this.addError.code] ?? null),
  );

  readonly modelIds = $derived(
    this.servers.flatMap((server) => this.modelsOf(server).map(({ id }) => id)),
  );

  modelsOf(server: RemoteServer): RemoteModelInfo[] {
    return server.health.state === 'reachable' ? server.health.models : [];
  }

  /** Whether the id is that of a model of a server that the user added, be it in reach or not. */
  owns(id: string): boolean {
    const parts = splitRemoteId(id);
    return parts !== null && this.servers.some(({ name }) => name === parts.server);
  }

  contextOf(id: string): number | null {
    const all = this.servers.flatMap((server) => this.modelsOf(server));
    return all.find((model) => model.id === id)?.contextLength ?? null;
  }

  /** The list at once, and then how the servers do. */
  async refresh(): Promise<void> {
    const listed = await this.#attempt(async () => {
      this.servers = await this.#backend.remoteServers(false);
    });
    if (listed && this.servers.length > 0) await this.ask();
  }

  /** Asks every server anew. */
  async ask(): Promise<void> {
    this.asking = true;
    await this.#attempt(async () => {
      this.servers = await this.#backend.remoteServers(true);
    });
    this.asking = false;
  }

  async refreshSecrets(): Promise<void> {
    await this.#token(() => this.#backend.secretsStatus());
  }

  /** Whether it was added. */
  async add(server: NewRemoteServer): Promise<boolean> {
    this.addError = await failureOf(() => this.#backend.addRemoteServer(server));
    if (this.addError !== null) return false;
    await this.refresh();
    return true;
  }

  async remove(name: string): Promise<void> {
    const removed = await this.#attempt(() => this.#backend.removeRemoteServer(name));
    const why = this.error;
    await this.refresh();
    if (!removed) this.error = why;
  }

  /** Keeps the user's token for the Hub; an empty one forgets it. Whether it was taken. */
  setHubToken(token: string): Promise<boolean> {
    return this.#token(() => this.#backend.setHubToken(token));
  }

  async #token(action: () => Promise<SecretsStatus>): Promise<boolean> {
    this.tokenError = await failureOf(async () => {
      this.secrets = await action();
    });
    return this.tokenError === null;
  }

  async #attempt(action: () => Promise<unknown>): Promise<boolean> {
    this.error = await failureOf(action);
    return this.error === null;
  }
}
