/** Ids of models of other servers: `NAME/model`. Ids of the library come from names of files and have no slash. */

export interface RemoteId {
  server: string;
  model: string;
}

/** The two parts of a remote model's id; `null` for a model of this computer. */
export function splitRemoteId(id: string | null): RemoteId | null {
  const at = id?.indexOf('/') ?? -1;
  if (id === null || at <= 0 || id.startsWith('.') || id.startsWith('~')) return null;
  return { server: id.slice(0, at), model: id.slice(at + 1) };
}
