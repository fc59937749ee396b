"""Answers one question: from fields if they are sufficient, otherwise from sources, by a model or as quotes.

It knows nothing of sheets, pages or storage of shows; it calls `retrieval` and streams the answer.
`answering.Answering.stream` retrieves, `field_answers` or `prompting` prepare the text, and `writing`
streams it and checks the citations.
"""
