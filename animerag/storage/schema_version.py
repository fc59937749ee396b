"""The version of the library's tables, known without SQLAlchemy."""

VERSION = 11
BASELINE = 8  # the oldest version that is upgraded; earlier ones were never released
