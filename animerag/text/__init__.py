"""Text as the searches need it: cleaned, cut into terms, and the part of a show that is embedded.

Knows nothing of files, storage or models.
Way through: `cleaning.clean` for synopses, `documents.Document` for what is embedded, `tokens.terms` for full text.
"""
