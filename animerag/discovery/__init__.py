"""What to watch: franchises and their orders, shows like a show, and recommendations.

Pure: works on the shows in memory and on similarities that a search has measured. Knows no database, no model and no
question; `retrieval` reads the question, calls `answers.answer`, and gives the picks their sources.

`franchises` groups shows by their relations. `orders` answers from a group: watch order, seasons, what comes next.
`similarity` and `recommendations` rank shows and give the reason for each.
"""
