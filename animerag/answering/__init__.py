"""Writes one answer: from fields where they are enough, else from sources by a model or as quotes.

Knows nothing of sheets, pages or where shows are stored; it asks `retrieval` and streams what comes.
Way through: `answering.Answering.stream` retrieves, `field_answers` or `prompting` shape the text, citations are
checked.
"""
