CREATE TABLE experiments (
    id TEXT NOT NULL,
    created_at TEXT NOT NULL,
    summary JSON NOT NULL,
    whole JSON NOT NULL,
    PRIMARY KEY (id)
);
PRAGMA user_version = 2;
