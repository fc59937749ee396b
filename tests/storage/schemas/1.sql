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
CREATE TABLE vectors (
    model TEXT NOT NULL,
    dimensions INTEGER NOT NULL,
    text_hash TEXT NOT NULL,
    vector BLOB NOT NULL,
    PRIMARY KEY (model, dimensions, text_hash)
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
    PRIMARY KEY (number),
    UNIQUE (id),
    FOREIGN KEY(import_id) REFERENCES imports (id)
);
CREATE INDEX ix_shows_import_id ON shows (import_id);
CREATE VIRTUAL TABLE words USING fts5(titles, tags, description, pairs, tokenize='porter unicode61 remove_diacritics 2');
PRAGMA user_version = 1;
