"""The Streamlit app: `streamlit run app.py`."""

import streamlit as st

from animerag.ui import navigation

if __name__ == "__main__":  # Streamlit runs this part for each session
    navigation.entered()
    page = st.navigation(navigation.pages(), expanded=True)
    navigation.shell(page.title)
    page.run()
else:  # the server imports this part once; Streamlit finds this call by reading the source
    app = st.App(__file__, middleware=navigation.start_server(), lifespan=navigation.lifespan)
