"""Text as the searches need it: cleaned, cut into terms, and the part of a show that is embedded.

It knows nothing of files, storage or models. `cleaning.clean` cleans synopses, `documents.Document` is the text that is
embedded, `tokens.terms` cuts search terms.
"""
