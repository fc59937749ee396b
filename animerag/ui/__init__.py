"""What pages are made of: the session's state and the pieces they draw. The only package that knows Streamlit."""
