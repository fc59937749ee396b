"""What a question means, decided without I/O: the titles, fields, conditions and intent in it.

Knows nothing of vectors, models or storage.
Way through: `titles` finds shows by name, `parser` reads conditions, `field_index` answers from fields.
`reader` makes a `Plan` of a whole question: `names` places titles, `grammar` reads conditions, `intents` says what for.
"""
