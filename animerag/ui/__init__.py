"""The session's state and the widgets of the pages. Only this package, `app.py` and `pages/` use Streamlit.

It knows nothing of storage, providers or searches: a module reads widgets, calls one service and draws.
`session` has the runtime and the services, `components` what several pages share, `text` escapes what files contain;
every other module starts with the name of its page.
"""
