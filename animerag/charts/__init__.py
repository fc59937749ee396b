"""Figures from plain values, for pages and reports: the only room that knows plotly.

`style` is what all of them share; the others are named after what they draw. `live` draws work while it runs.
"""
