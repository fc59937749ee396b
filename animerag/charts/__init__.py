"""Draws figures from plain values, and the HTML report of a comparison.

Knows nothing of services, storage or Streamlit: callers pass the values to draw.
Way through: `style` defines the look, each other module draws one kind of figure; `report` writes those of `static`.
"""
