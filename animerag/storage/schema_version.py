"""The version of the library's tables, in a module that does not import SQLAlchemy."""

VERSION = 16
BASELINE = 8  # the oldest version that can be upgraded; earlier ones were never released
