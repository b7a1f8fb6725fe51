-- A database as format 4 left it.
PRAGMA foreign_keys = OFF;

CREATE TABLE conversations (
    id TEXT PRIMARY KEY NOT NULL,
    title TEXT NOT NULL,
    model TEXT,
    system_prompt TEXT,
    leaf_id TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    -- Deferred, because a conversation and its messages name each other.
    FOREIGN KEY (id, leaf_id) REFERENCES messages (conversation_id, id) DEFERRABLE INITIALLY DEFERRED
) STRICT;
CREATE INDEX conversations_by_update ON conversations (updated_at DESC);

CREATE TABLE messages (
    id TEXT PRIMARY KEY NOT NULL,
    conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    parent_id TEXT,
    role TEXT NOT NULL CHECK (role IN ('system', 'user', 'assistant', 'tool')),
    content TEXT NOT NULL,
    status TEXT NOT NULL
        CHECK (status IN ('complete', 'streaming', 'stopped', 'interrupted', 'failed', 'truncated')),
    -- The process that is writing it; only while status is 'streaming'.
    writer TEXT,
    model TEXT,
    error TEXT,
    stats TEXT,
    created_at INTEGER NOT NULL,
    UNIQUE (conversation_id, id),
    -- A parent is always of the same conversation. No cascade along the tree: it would recurse once per message.
    FOREIGN KEY (conversation_id, parent_id) REFERENCES messages (conversation_id, id)
        DEFERRABLE INITIALLY DEFERRED
) STRICT;
CREATE INDEX messages_by_parent ON messages (conversation_id, parent_id, id);
CREATE INDEX messages_streaming ON messages (status) WHERE status = 'streaming';

CREATE TABLE journal (
    message_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (message_id, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE settings (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    json TEXT NOT NULL
) STRICT;

CREATE TABLE search_documents (
    id INTEGER PRIMARY KEY,
    conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    -- NULL for the title.
    message_id TEXT UNIQUE REFERENCES messages (id) ON DELETE CASCADE,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX search_documents_by_conversation ON search_documents (conversation_id);
CREATE UNIQUE INDEX search_documents_title ON search_documents (conversation_id) WHERE message_id IS NULL;

CREATE VIRTUAL TABLE search_index USING fts5(
    body, content='search_documents', content_rowid='id', tokenize='unicode61 remove_diacritics 2'
);
INSERT INTO search_index (search_index, rank) VALUES ('secure-delete', 1);

CREATE TRIGGER search_documents_inserted AFTER INSERT ON search_documents BEGIN
    INSERT INTO search_index (rowid, body) VALUES (new.id, new.body);
END;
CREATE TRIGGER search_documents_deleted AFTER DELETE ON search_documents BEGIN
    INSERT INTO search_index (search_index, rowid, body) VALUES ('delete', old.id, old.body);
END;
CREATE TRIGGER search_documents_updated AFTER UPDATE ON search_documents BEGIN
    INSERT INTO search_index (search_index, rowid, body) VALUES ('delete', old.id, old.body);
    INSERT INTO search_index (rowid, body) VALUES (new.id, new.body);
END;

ALTER TABLE conversations ADD COLUMN context_length INTEGER;
ALTER TABLE conversations ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;

CREATE TABLE summaries (
    message_id TEXT PRIMARY KEY NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    text TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE api_keys (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    key_sha256 TEXT NOT NULL UNIQUE,
    ends_with TEXT NOT NULL,
    models TEXT,
    requests_per_minute INTEGER,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER
) STRICT;

CREATE TABLE api_requests (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    program TEXT,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    model TEXT,
    status INTEGER NOT NULL,
    error TEXT,
    prompt_tokens INTEGER,
    completion_tokens INTEGER,
    duration_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE model_notes (
    content_id TEXT PRIMARY KEY NOT NULL,
    note TEXT NOT NULL,
    favourite INTEGER NOT NULL,
    defaults TEXT NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

INSERT INTO conversations (id, title, leaf_id, created_at, updated_at) VALUES
    ('01900000-0000-7000-8000-000000000001', 'About wombats', '01900000-0000-7000-8000-000000000003', 1, 2);
INSERT INTO messages (id, conversation_id, parent_id, role, content, status, model, created_at) VALUES
    ('01900000-0000-7000-8000-000000000002', '01900000-0000-7000-8000-000000000001', NULL, 'user', 'What do they do?',
     'complete', NULL, 1),
    ('01900000-0000-7000-8000-000000000003', '01900000-0000-7000-8000-000000000001',
     '01900000-0000-7000-8000-000000000002', 'assistant', 'Wombats dig.', 'complete', 'tiny', 2);
INSERT INTO search_documents (conversation_id, message_id, body) VALUES
    ('01900000-0000-7000-8000-000000000001', NULL, 'About wombats'),
    ('01900000-0000-7000-8000-000000000001', '01900000-0000-7000-8000-000000000002', 'What do they do?'),
    ('01900000-0000-7000-8000-000000000001', '01900000-0000-7000-8000-000000000003', 'Wombats dig.');
PRAGMA user_version = 4;
