"""Browses and changes the shows of a catalogue: lists, edits, duplicates, status, and the sample.

It knows nothing of questions, providers or pages. `browsing` lists, `editing` changes, `duplicates` merges two records,
`status` counts.
"""
