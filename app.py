"""The Streamlit app: `streamlit run app.py`."""

import streamlit as st

from animerag.ui import components, navigation

if __name__ == "__main__":
    st.set_page_config(page_title="animerag", page_icon=components.ICON, layout="wide")
    st.html(components.CHART_STYLE)
    navigation.entered()
    page = st.navigation(navigation.pages())
    with st.sidebar, components.seam():
        components.foot()
    page.run()
