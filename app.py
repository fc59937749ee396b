"""The Streamlit app: `streamlit run app.py`."""

import streamlit as st

from animerag.ui import navigation

if __name__ == "__main__":
    navigation.entered()
    page = st.navigation(navigation.pages())
    navigation.shell()
    page.run()
