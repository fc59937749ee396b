"""The library's tables. A change increases `schema_version.VERSION` and adds a step to `migrations/versions`."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)

metadata = MetaData()

# Both databases compare and sort text by its code points, and store the numbers of files: votes have exceeded 2**31.
_TEXT = Text().with_variant(Text(collation="C"), "postgresql")
_WHOLE_NUMBER = Integer().with_variant(BigInteger(), "postgresql")

# Metadata of the library: its id, the revision of its shows, saved settings.
facts = Table("facts", metadata, Column("key", _TEXT, primary_key=True), Column("value", _TEXT, nullable=False))

imports = Table(
    "imports",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", _TEXT, nullable=False),
    Column("name", _TEXT, nullable=False),
    Column("sha256", _TEXT, nullable=False),
    Column("created_at", _TEXT, nullable=False),
)

shows = Table(
    "shows",
    metadata,
    Column("number", Integer, primary_key=True),  # SQLite's rowid; the full-text index refers to it
    Column("id", _TEXT, nullable=False, unique=True),
    Column("title", _TEXT, nullable=False),
    Column("titles", JSON, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("description", _TEXT, nullable=False),
    Column("episodes", _WHOLE_NUMBER),
    Column("year", _WHOLE_NUMBER),
    Column("end_year", _WHOLE_NUMBER),
    Column("rating", Float),
    Column("votes", _WHOLE_NUMBER),
    Column("relations", JSON, nullable=False),
    Column("similar", JSON, nullable=False),
    Column("record", JSON, nullable=False),
    Column("content_hash", _TEXT, nullable=False),
    Column("text_hash", _TEXT, nullable=False),
    Column("import_id", ForeignKey("imports.id"), nullable=False, index=True),
    Column("type", _TEXT),
    Column("type_inferred", Boolean),
    Column("air_date", _TEXT),  # ISO date, complete or without the day
    Column("end_date", _TEXT),
    Column("season", _TEXT),
    Column("airing", _TEXT),
    Column("restricted", Boolean),
    Column("source", _TEXT),
    Column("duration", _WHOLE_NUMBER),  # minutes per episode
    Column("studios", JSON),
    Column("tag_weights", JSON),  # by tag, 0 to 1
    Column("collection", JSON),  # episodes and files of the owner, and tags that are spoilers, as far as known
    # PostgreSQL cannot index JSON or text of any length, and scans fast enough without these.
    Index("shows_by_rating", text("rating DESC"), "title").ddl_if("sqlite"),  # the order of the Catalogue page
    # Rows are wide, and the statistics read a few columns of all of them.
    Index("shows_figures", "id", "year", "type", "episodes", "duration", "rating").ddl_if("sqlite"),
    Index("shows_tags", "tags", "tag_weights").ddl_if("sqlite"),
    Index("shows_relations", "relations", sqlite_where=text("relations <> '[]'")).ddl_if("sqlite"),
    Index("shows_without_description", "title", sqlite_where=text("trim(description) = ''")).ddl_if("sqlite"),
    Index("shows_fingerprints", "id", "text_hash", "content_hash"),  # counts read only these columns
)

# The owner's list: status, score and progress of a show.
my_list = Table(
    "my_list",
    metadata,
    Column("show_id", ForeignKey("shows.id", ondelete="CASCADE"), primary_key=True),
    Column("status", _TEXT),
    Column("score", Float),  # 0 to 10
    Column("episodes_watched", _WHOLE_NUMBER),
)

# The files that each show comes from, and its id there; `overlay` marks files of the owner's list.
provenance = Table(
    "provenance",
    metadata,
    Column("show_id", ForeignKey("shows.id", ondelete="CASCADE"), primary_key=True),
    Column("file", _TEXT, primary_key=True),
    Column("source_id", _TEXT, primary_key=True),
    Column("overlay", Integer, nullable=False),
    Column("import_id", ForeignKey("imports.id"), nullable=False),
)

# Ids that the owner merged into another show, and pairs that stay separate (the smaller id first).
merges = Table(
    "merges", metadata, Column("source_id", _TEXT, primary_key=True), Column("show_id", _TEXT, nullable=False)
)
kept_apart = Table(
    "kept_apart", metadata, Column("first", _TEXT, primary_key=True), Column("second", _TEXT, primary_key=True)
)

# Edited values of a show by field; they survive later imports.
edits = Table(
    "edits",
    metadata,
    Column("show_id", ForeignKey("shows.id", ondelete="CASCADE"), primary_key=True),
    Column("changes", JSON, nullable=False),
    Column("at", _TEXT, nullable=False),
)

# Every computed vector by model, width and text; little-endian float32.
vectors = Table(
    "vectors",
    metadata,
    Column("model", _TEXT, primary_key=True),
    Column("dimensions", Integer, primary_key=True),
    Column("text_hash", _TEXT, primary_key=True),
    Column("vector", LargeBinary, nullable=False),
    Column("checksum", _WHOLE_NUMBER),  # of the bytes of `vector`
)

# Shows deleted since the last import with all their rows, so that a deletion can be undone.
deletions = Table(
    "deletions",
    metadata,
    Column("show_id", _TEXT, primary_key=True),
    Column("title", _TEXT, nullable=False),
    Column("at", _TEXT, nullable=False),
    Column("content", JSON, nullable=False),
)

# The recorded content of each Chroma collection. A row without its show is a vector to be removed.
indexed = Table(
    "indexed",
    metadata,
    Column("collection", _TEXT, primary_key=True),
    Column("show_id", _TEXT, primary_key=True),
    Column("content_hash", _TEXT, nullable=False),
    Column("text_hash", _TEXT, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", _TEXT, primary_key=True),
    Column("owner", _TEXT, nullable=False),
    Column("kind", _TEXT, nullable=False),
    Column("title", _TEXT, nullable=False),
    Column("state", _TEXT, nullable=False),
    Column("lease", _TEXT, nullable=False),  # the lock file of its process
    Column("report", JSON),
    Column("error", _TEXT),
    Column("created_at", _TEXT, nullable=False),
    Column("finished_at", _TEXT),
    Column("key", _TEXT),  # jobs with one key do the same work: only one of them may run
    Column("host", _TEXT),  # the machine and the process that run it
    # While the job runs, its process writes progress and question, and others write stop_requested and answer.
    Column("progress", JSON(none_as_null=True)),
    Column("question", _TEXT),
    Column("answer", Boolean),
    Column("stop_requested", Boolean),
    # Every process reads current jobs once a second; SQLite would read through all reports to find them.
    Index("jobs_by_state", "state").ddl_if("sqlite"),
    Index("jobs_by_end", "finished_at").ddl_if("sqlite"),
)

# Naming PostgreSQL here would import its dialect for SQLite, too, a tenth of a command: its engine adds the same.
JOBS_RUNNING = "state = 'running'"
jobs_running_key = Index("jobs_running_key", jobs.c.key, unique=True, sqlite_where=text(JOBS_RUNNING))

# The request of a job, from which an interrupted job is resumed.
job_requests = Table(
    "job_requests",
    metadata,
    Column("job_id", ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("request", JSON, nullable=False),
)

# Uploads of imports in parts, where processes on other machines can resume the import; empty in SQLite.
uploads = Table(
    "uploads",
    metadata,
    Column("sha256", _TEXT, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("content", LargeBinary, nullable=False),
)

# Experiments of Compare: a summary for lists, and the complete experiment with every span.
experiments = Table(
    "experiments",
    metadata,
    Column("id", _TEXT, primary_key=True),
    Column("created_at", _TEXT, nullable=False),
    Column("summary", JSON, nullable=False),
    Column("whole", JSON, nullable=False),
)

# Runs of question sheets, and the answer to each row. A row without a status has not been asked yet.
runs = Table(
    "runs",
    metadata,
    Column("id", _TEXT, primary_key=True),
    Column("created_at", _TEXT, nullable=False),
    Column("name", _TEXT, nullable=False),
    Column("sheet", JSON, nullable=False),  # the headings in order, and the name of the question column
    Column("options", JSON, nullable=False),
    Column("sha256", _TEXT, nullable=False),  # hash of the file
    Column("job_id", _TEXT),  # the latest job
    Column("seconds", Float, nullable=False),  # running time of all its jobs
)

run_rows = Table(
    "run_rows",
    metadata,
    Column("run_id", ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("asked", JSON, nullable=False),
    Column("status", _TEXT),
    Column("answer", JSON),
    Column("timings", JSON),  # with the start time, for charts of thousands of rows
    Column("input_tokens", Integer, nullable=False, default=0),
    Column("output_tokens", Integer, nullable=False, default=0),
    Column("cost_usd", Float),
)

# The cost of the calls of a day, a run or an import, and what is reserved for its calls in progress.
spending = Table(
    "spending",
    metadata,
    Column("account", _TEXT, primary_key=True),
    Column("spent_usd", Float, nullable=False),
    Column("reserved_usd", Float, nullable=False),
)

reservations = Table(
    "reservations",
    metadata,
    Column("id", _TEXT, primary_key=True),
    Column("account", _TEXT, nullable=False),
    Column("usd", Float, nullable=False),
    Column("lease", _TEXT, nullable=False),  # of its process
)

# Cached answers of models by everything they depend on; `content` is JSON with the answer and its sources.
answers = Table(
    "answers",
    metadata,
    Column("key", _TEXT, primary_key=True),
    Column("revision", Integer, nullable=False, index=True),
    Column("content", _TEXT, nullable=False),
)

conversations = Table(
    "conversations",
    metadata,
    Column("id", _TEXT, primary_key=True),
    Column("title", _TEXT, nullable=False),
    Column("at", _TEXT, nullable=False),  # time of its last exchange
)

exchanges = Table(
    "exchanges",
    metadata,
    Column("conversation_id", ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("content", _TEXT, nullable=False),
)

# Parts of an import or of a sheet that workers on any host take; see work_queue/.
work_items = Table(
    "work_items",
    metadata,
    Column("work", _TEXT, primary_key=True),  # the import, or the job of a sheet
    Column("number", Integer, primary_key=True),
    Column("kind", _TEXT, nullable=False),
    Column("target", _TEXT, nullable=False),  # the collection, or the run of the sheet
    Column("state", _TEXT, nullable=False, index=True),
    Column("size", Integer, nullable=False),  # shows or rows
    Column("request", JSON, nullable=False),
    Column("outcome", JSON),
    Column("worker", _TEXT),  # the lease of the process that took it last
)
