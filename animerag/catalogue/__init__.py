"""The shows as their owner sees and changes them: browsing, editing, duplicates, status, and the sample.

Knows nothing of questions, providers or pages.
Way through: `browsing` lists, `editing` changes, `duplicates` merges two records, `status` counts.
"""
