"""Draws figures from plain values, and writes the HTML report of a comparison.

The package knows nothing of services, storage or Streamlit: callers pass the values to draw. `style` defines the look,
each other module draws one kind of figure, and `report` writes the figures of `static`.
"""
