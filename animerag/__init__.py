"""Ask a large anime catalogue things, one question or a thousand, without waiting."""

__version__ = "0.1.0"
