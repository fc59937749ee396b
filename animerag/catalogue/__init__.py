"""What an owner sees and changes of the shows: browsing, editing, duplicates, status, and the sample.

Knows nothing of questions, providers or pages.
Way through: `browsing` lists, `editing` changes, `duplicates` joins two records, `status` counts.
"""
