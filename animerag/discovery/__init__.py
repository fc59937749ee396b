"""Answers what to watch: franchises and their orders, similar shows, and recommendations.

It is pure: it works on the shows in memory and on similarities that a search has measured, and knows no database, model
or question. `retrieval` reads the question, calls `answers.answer`, and adds sources for the chosen shows.

`franchises` groups shows by their relations. `orders` answers from a group: watch order, seasons, what comes next.
`similarity` and `recommendations` rank shows and give the reason for each.
"""
