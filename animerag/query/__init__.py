"""Decides what a question means, without I/O: its titles, fields, conditions and intent.

It knows nothing of vectors, models or storage. `titles` finds shows by name, and `field_index` answers from fields.
`reader` turns a whole question into a `Plan`: `names` locates titles, `grammar` reads conditions, and `intents`
recognises what is asked.
"""
