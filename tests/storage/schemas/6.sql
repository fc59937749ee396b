CREATE TABLE edits (
    show_id TEXT NOT NULL,
    changes JSON NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (show_id),
    FOREIGN KEY(show_id) REFERENCES shows (id) ON DELETE CASCADE
);
PRAGMA user_version = 6;
