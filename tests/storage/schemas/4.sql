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
PRAGMA user_version = 4;
