"""The values that travel between the rooms: frozen, and validated once, where data comes in.

Knows nothing of files, databases, providers or pages; each module holds one subject.
Way through: `shows` come from `imports`, `filters` restrict them, `retrieval` finds them, `answers` cite them.
"""
