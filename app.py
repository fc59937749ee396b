"""The Streamlit app: `streamlit run app.py`."""

import streamlit as st

from animerag.ui import components

if __name__ == "__main__":
    st.set_page_config(page_title="animerag", page_icon=components.ICON, layout="wide")
    page = st.navigation(
        [
            st.Page("pages/ask.py", title="Ask", icon=":material/forum:", url_path="ask", default=True),
            st.Page("pages/catalogue.py", title="Catalogue", icon=":material/video_library:", url_path="catalogue"),
            st.Page("pages/batch.py", title="Batch", icon=":material/list_alt:", url_path="batch"),
            st.Page("pages/upload.py", title="Upload", icon=":material/upload_file:", url_path="upload"),
            st.Page("pages/settings.py", title="Settings", icon=":material/settings:", url_path="settings"),
        ]
    )
    with st.sidebar, components.seam():
        components.foot()
    page.run()
