CREATE INDEX IF NOT EXISTS shows_fingerprints ON shows (id, text_hash, content_hash);
PRAGMA user_version = 7;
