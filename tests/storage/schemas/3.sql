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
CREATE TABLE job_requests (
    job_id TEXT NOT NULL,
    request JSON NOT NULL,
    PRIMARY KEY (job_id),
    FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE
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
PRAGMA user_version = 3;
