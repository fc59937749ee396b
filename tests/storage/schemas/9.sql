CREATE TABLE facts (
    "key" TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY ("key")
);
CREATE TABLE imports (
    id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    created_at TEXT NOT NULL,
    PRIMARY KEY (id)
);
CREATE TABLE merges (
    source_id TEXT NOT NULL,
    show_id TEXT NOT NULL,
    PRIMARY KEY (source_id)
);
CREATE TABLE kept_apart (
    first TEXT NOT NULL,
    second TEXT NOT NULL,
    PRIMARY KEY (first, second)
);
CREATE TABLE vectors (
    model TEXT NOT NULL,
    dimensions INTEGER NOT NULL,
    text_hash TEXT NOT NULL,
    vector BLOB NOT NULL,
    checksum INTEGER,
    PRIMARY KEY (model, dimensions, text_hash)
);
CREATE TABLE deletions (
    show_id TEXT NOT NULL,
    title TEXT NOT NULL,
    at TEXT NOT NULL,
    content JSON NOT NULL,
    PRIMARY KEY (show_id)
);
CREATE TABLE "indexed" (
    collection TEXT NOT NULL,
    show_id TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    text_hash TEXT NOT NULL,
    PRIMARY KEY (collection, show_id)
);
CREATE TABLE jobs (
    id TEXT NOT NULL,
    owner TEXT NOT NULL,
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    state TEXT NOT NULL,
    lease TEXT NOT NULL,
    report JSON,
    error TEXT,
    created_at TEXT NOT NULL,
    finished_at TEXT,
    PRIMARY KEY (id)
);
CREATE TABLE experiments (
    id TEXT NOT NULL,
    created_at TEXT NOT NULL,
    summary JSON NOT NULL,
    whole JSON NOT NULL,
    PRIMARY KEY (id)
);
CREATE TABLE runs (
    id TEXT NOT NULL,
    created_at TEXT NOT NULL,
    name TEXT NOT NULL,
    sheet JSON NOT NULL,
    options JSON NOT NULL,
    sha256 TEXT NOT NULL,
    job_id TEXT,
    seconds FLOAT NOT NULL,
    PRIMARY KEY (id)
);
CREATE TABLE answers (
    "key" TEXT NOT NULL,
    revision INTEGER NOT NULL,
    told TEXT NOT NULL,
    PRIMARY KEY ("key")
);
CREATE INDEX ix_answers_revision ON answers (revision);
CREATE TABLE conversations (
    id TEXT NOT NULL,
    title TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (id)
);
CREATE TABLE shows (
    number INTEGER NOT NULL,
    id TEXT NOT NULL,
    title TEXT NOT NULL,
    titles JSON NOT NULL,
    tags JSON NOT NULL,
    description TEXT NOT NULL,
    episodes INTEGER,
    year INTEGER,
    end_year INTEGER,
    rating FLOAT,
    votes INTEGER,
    relations JSON NOT NULL,
    similar JSON NOT NULL,
    record JSON NOT NULL,
    content_hash TEXT NOT NULL,
    text_hash TEXT NOT NULL,
    import_id INTEGER NOT NULL,
    type TEXT,
    type_inferred BOOLEAN,
    air_date TEXT,
    end_date TEXT,
    season TEXT,
    airing TEXT,
    restricted BOOLEAN,
    source TEXT,
    duration INTEGER,
    studios JSON,
    tag_weights JSON,
    PRIMARY KEY (number),
    UNIQUE (id),
    FOREIGN KEY(import_id) REFERENCES imports (id)
);
CREATE INDEX shows_by_rating ON shows (rating DESC, title);
CREATE INDEX ix_shows_import_id ON shows (import_id);
CREATE INDEX shows_fingerprints ON shows (id, text_hash, content_hash);
CREATE TABLE job_requests (
    job_id TEXT NOT NULL,
    request JSON NOT NULL,
    PRIMARY KEY (job_id),
    FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE
);
CREATE TABLE run_rows (
    run_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    asked JSON NOT NULL,
    status TEXT,
    told JSON,
    timings JSON,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cost_usd FLOAT,
    PRIMARY KEY (run_id, number),
    FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);
CREATE TABLE exchanges (
    conversation_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    told TEXT NOT NULL,
    PRIMARY KEY (conversation_id, number),
    FOREIGN KEY(conversation_id) REFERENCES conversations (id) ON DELETE CASCADE
);
CREATE TABLE my_list (
    show_id TEXT NOT NULL,
    status TEXT,
    score FLOAT,
    episodes_watched INTEGER,
    PRIMARY KEY (show_id),
    FOREIGN KEY(show_id) REFERENCES shows (id) ON DELETE CASCADE
);
CREATE TABLE provenance (
    show_id TEXT NOT NULL,
    file TEXT NOT NULL,
    source_id TEXT NOT NULL,
    overlay INTEGER NOT NULL,
    import_id INTEGER NOT NULL,
    PRIMARY KEY (show_id, file, source_id),
    FOREIGN KEY(show_id) REFERENCES shows (id) ON DELETE CASCADE,
    FOREIGN KEY(import_id) REFERENCES imports (id)
);
CREATE TABLE edits (
    show_id TEXT NOT NULL,
    changes JSON NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (show_id),
    FOREIGN KEY(show_id) REFERENCES shows (id) ON DELETE CASCADE
);
CREATE VIRTUAL TABLE words USING fts5(titles, tags, description, pairs, tokenize='porter unicode61 remove_diacritics 2');
PRAGMA user_version = 9;
