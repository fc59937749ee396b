CREATE INDEX shows_by_rating ON shows (rating DESC, title);
PRAGMA user_version = 5;
