"""The Streamlit app: `streamlit run app.py`."""

import streamlit as st

from animerag.ui import components, navigation

if __name__ == "__main__":
    navigation.entered()
    st.html(components.CHART_STYLE)
    page = st.navigation(navigation.pages())
    with st.sidebar, components.seam():
        components.foot()
    page.run()
