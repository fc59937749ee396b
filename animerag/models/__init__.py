"""The values that packages exchange: frozen, and validated once, where data enters.

It knows nothing of files, databases, providers or pages; each module holds one subject.
`shows` come from `imports`, `filters` restrict them, `retrieval` finds them, `answers` cite them.
"""
