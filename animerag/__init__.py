"""Ask questions about an anime catalogue: one, or a thousand at once."""

__version__ = "0.1.0"
