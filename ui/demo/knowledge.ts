/** Made-up files and folders that the quick loop shows. */
import type {
  Attachment,
  ConversationFiles,
  DocumentPreview,
  KnowledgeStatus,
  Message,
  OpenedCitation,
} from '../src/backend/types';
import * as data from './data';

const PASSAGE =
  'The first lens of Cordouan was lit on 25 July 1823. Its flame stood 63 metres above the highest tide and was seen from 31 kilometres, where the mirrors before it had been lost in the haze at 20.';

export const REPORT: Attachment = {
  document: 'aa',
  name: 'Cordouan, report to the commission.pdf',
  kind: 'pdf',
  bytes: 4_210_000,
  characters: 612_000,
  passages: 340,
};

const PHOTO: Attachment = {
  document: 'bb',
  name: 'lantern room.jpg',
  kind: 'image',
  bytes: 812_000,
  characters: 0,
  passages: 0,
};

const NOTES: Attachment = {
  ...REPORT,
  document: 'cc',
  name: 'notes.md',
  kind: 'markdown',
  bytes: 3100,
};

const PICTURE =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAgAAAAGCAIAAABxZ0isAAAAS0lEQVR42mOQk1DSVVbxs9JI9NAGIiADyAUKMqjKKoU5aDbG6c8rNgYiIAPIBQoymGup5gfqLK0wuTrLCoiADCAXKIhbAqdRuCwHAP1jKMWYS8niAAAAAElFTkSuQmCC';

function message(id: string, parentId: string | null, extra: Partial<Message>): Message {
  return { ...data.MESSAGES[0]!, id, parentId, conversationId: 'c2', ...extra };
}

export const MESSAGES: Message[] = [
  message('k1', null, { content: 'How far was the new light seen, and how high did it stand?' }),
  message('k2', 'k1', {
    role: 'assistant',
    model: data.MODEL,
    content:
      'The flame stood 63 metres above the highest tide and was seen from **31 kilometres** [1]. The mirrors that it replaced were lost at 20 [1], as the keeper’s notes say, too [3].\n\nIn code it is `light[1]`.',
    stats: data.MESSAGES[2]!.stats,
  }),
];

export const FILES: ConversationFiles = {
  attachments: [{ messageId: 'k1', attachments: [REPORT, PHOTO, NOTES] }],
  sources: [
    {
      messageId: 'k2',
      seen: [
        { name: REPORT.name, document: 'aa', seen: 'passages', shown: 12, total: 340 },
        { name: PHOTO.name, document: 'bb', seen: 'nothing', shown: 0, total: 0 },
        { name: NOTES.name, document: 'cc', seen: 'whole', shown: 4, total: 4 },
        { name: 'Lighthouses', document: null, seen: 'passages', shown: 2, total: 118 },
      ],
      searchedBy: 'words_and_meaning',
      citations: [
        {
          number: 1,
          name: REPORT.name,
          document: 'aa',
          place: { page: 14, heading: null, sheet: null, row: null, line: null },
          text: PASSAGE,
        },
        {
          number: 2,
          name: 'towers.xlsx',
          document: 'dd',
          place: { page: null, heading: 'Tower | Height', sheet: 'Heights', row: 12, line: null },
          text: 'Cordouan | 67.5',
        },
        {
          number: 3,
          name: NOTES.name,
          document: 'cc',
          place: { page: null, heading: null, sheet: null, row: null, line: null },
          text: '',
        },
      ],
    },
  ],
  folders: ['f1'],
};

const around = `${'The commission met in the tower and heard what the engineers had measured. '.repeat(6)}\n\n`;

export function opened(number: number): OpenedCitation {
  const citation = FILES.sources[0]!.citations.find((one) => one.number === number)!;
  const text = `${around}${citation.text}\n\n${around}`;
  const preview: DocumentPreview = {
    kind: 'pdf',
    text,
    highlight: [around.length, around.length + citation.text.length],
    isPart: true,
    picture: null,
  };
  return { citation, preview };
}

export function preview(document: string): DocumentPreview {
  const picture = document === 'bb' ? PICTURE : null;
  return { kind: 'text', text: around, highlight: null, isPart: false, picture };
}

export const STATUS: KnowledgeStatus = {
  folders: [
    {
      id: 'f1',
      path: '/home/ada/Documents/Lighthouses',
      name: 'Lighthouses',
      state: { state: 'ready' },
      files: 118,
      passages: 4210,
      embedded: 4210,
      failed: 2,
    },
    {
      id: 'f2',
      path: '/home/ada/Documents/Recipes',
      name: 'Recipes',
      state: { state: 'embedding', done: 410, total: 960 },
      files: 84,
      passages: 960,
      embedded: 410,
      failed: 0,
    },
    {
      id: 'f3',
      path: '/media/ada/stick/Papers',
      name: 'Papers',
      state: {
        state: 'failed',
        error: {
          code: 'folder_unreadable',
          message: 'The folder /media/ada/stick/Papers cannot be read: no such file or directory.',
          nextStep: 'Check that it is still there, or remove it from the list.',
        },
      },
      files: 12,
      passages: 300,
      embedded: 300,
      failed: 0,
    },
  ],
  embeddingModel: 'nomic-embed-text-v1.5-Q8_0',
  embeddingModels: ['nomic-embed-text-v1.5-Q8_0', 'Qwen3-Embedding-0.6B-Q8_0'],
  error: null,
};

type Args = Record<string, unknown>;

/** The commands about files and folders. */
export function commands(isFirstRun: boolean): Record<string, (args: Args) => unknown> {
  const nothing: ConversationFiles = { attachments: [], sources: [], folders: [] };
  return {
    attach_file: (args) => {
      const name = String(args.path).split('/').at(-1) ?? '';
      if (name.includes('locked')) {
        throw {
          code: 'document_encrypted',
          message: `${name} cannot be read: it is protected by a password.`,
          nextStep: 'Save a copy of it without the password.',
        };
      }
      return /\.(jpe?g|png)$/.test(name) ? { ...PHOTO, name } : { ...REPORT, document: name, name };
    },
    attach_bytes: (args) => ({ ...PHOTO, name: args.name }),
    model_sees: () => false,
    conversation_files: (args) => (args.id === 'c2' ? FILES : nothing),
    set_conversation_folders: () => undefined,
    document_preview: (args) => preview(String(args.document)),
    citation: (args) => opened(Number(args.number)),
    thumbnail: () => PICTURE,
    knowledge: () =>
      isFirstRun ? { folders: [], embeddingModel: null, embeddingModels: [], error: null } : STATUS,
    failed_files: () => [
      {
        path: 'old/plans.pdf',
        error: {
          code: 'document_encrypted',
          message: 'old/plans.pdf cannot be read: it is protected by a password.',
          nextStep: 'Save a copy of it without the password.',
        },
      },
      {
        path: 'scans/keepers-log.docx',
        error: {
          code: 'document_damaged',
          message: 'scans/keepers-log.docx cannot be read: it ends before its table of contents.',
          nextStep: 'Open it in the program that made it, and save it anew.',
        },
      },
    ],
  };
}
