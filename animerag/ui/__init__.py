"""The session's state and the widgets of the pages. Only this package, `app.py` and `pages/` use Streamlit."""
