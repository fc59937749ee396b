"""Prepares text for the searches: cleans it, cuts it into terms, and builds the text of a show that is embedded.

It knows nothing of files, storage or models. `cleaning.clean` cleans synopses, `documents.Document` is the text that is
embedded, `tokens.terms` cuts search terms.
"""
