"""Figures from plain values, and the HTML report of a comparison.

Knows nothing of services, storage or Streamlit: what it draws is handed to it.
Way through: `style` sets the look, a module draws each kind of figure; `report` writes a file with those of `static`.
"""
