/** What cannot be read, reached or written in the quick loop (`?demo=lost`): every view must say so, and what to do. */

const disk = {
  code: 'storage',
  message: 'The database could not be read: the disk is full (0 bytes are free on /home).',
  nextStep: 'Free some space and try again. Nothing that was stored is lost.',
};

/** Of whatever needs the Hub, without a connection. */
export const OFFLINE = {
  code: 'hub_unreachable',
  message: 'huggingface.co could not be reached in 3 tries: the name could not be resolved.',
  nextStep: 'Check the connection. Models that are here go on working.',
};

function refuse(error: unknown) {
  return () => {
    throw error;
  };
}

export function commands(scene: string): Record<string, () => unknown> {
  if (scene !== 'lost') return {};
  const names = ['disk_use', 'model_details', 'receipts', 'document_preview', 'citation'];
  return {
    ...Object.fromEntries(names.map((name) => [name, refuse(disk)])),
    ...Object.fromEntries(
      ['save_assistant', 'save_prompt', 'import_conversations', 'find_messages'].map((name) => [
        name,
        refuse(disk),
      ]),
    ),
    repository: refuse(OFFLINE),
    check_updates: refuse(OFFLINE),
  };
}
