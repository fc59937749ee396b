CREATE TABLE public.answers (
    key text NOT NULL COLLATE pg_catalog."C",
    revision integer NOT NULL,
    content text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE public.conversations (
    id text NOT NULL COLLATE pg_catalog."C",
    title text NOT NULL COLLATE pg_catalog."C",
    at text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE public.deletions (
    show_id text NOT NULL COLLATE pg_catalog."C",
    title text NOT NULL COLLATE pg_catalog."C",
    at text NOT NULL COLLATE pg_catalog."C",
    content json NOT NULL
);
CREATE TABLE public.edits (
    show_id text NOT NULL COLLATE pg_catalog."C",
    changes json NOT NULL,
    at text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE public.exchanges (
    conversation_id text NOT NULL COLLATE pg_catalog."C",
    number integer NOT NULL,
    content text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE public.experiments (
    id text NOT NULL COLLATE pg_catalog."C",
    created_at text NOT NULL COLLATE pg_catalog."C",
    summary json NOT NULL,
    whole json NOT NULL
);
CREATE TABLE public.facts (
    key text NOT NULL COLLATE pg_catalog."C",
    value text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE public.imports (
    id integer NOT NULL,
    kind text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    sha256 text NOT NULL COLLATE pg_catalog."C",
    created_at text NOT NULL COLLATE pg_catalog."C"
);
CREATE SEQUENCE public.imports_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.imports_id_seq OWNED BY public.imports.id;
CREATE TABLE public.indexed (
    collection text NOT NULL COLLATE pg_catalog."C",
    show_id text NOT NULL COLLATE pg_catalog."C",
    content_hash text NOT NULL COLLATE pg_catalog."C",
    text_hash text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE public.job_requests (
    job_id text NOT NULL COLLATE pg_catalog."C",
    request json NOT NULL
);
CREATE TABLE public.jobs (
    id text NOT NULL COLLATE pg_catalog."C",
    owner text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    title text NOT NULL COLLATE pg_catalog."C",
    state text NOT NULL COLLATE pg_catalog."C",
    lease text NOT NULL COLLATE pg_catalog."C",
    report json,
    error text COLLATE pg_catalog."C",
    created_at text NOT NULL COLLATE pg_catalog."C",
    finished_at text COLLATE pg_catalog."C"
);
CREATE TABLE public.kept_apart (
    first text NOT NULL COLLATE pg_catalog."C",
    second text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE public.merges (
    source_id text NOT NULL COLLATE pg_catalog."C",
    show_id text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE public.my_list (
    show_id text NOT NULL COLLATE pg_catalog."C",
    status text COLLATE pg_catalog."C",
    score double precision,
    episodes_watched bigint
);
CREATE TABLE public.provenance (
    show_id text NOT NULL COLLATE pg_catalog."C",
    file text NOT NULL COLLATE pg_catalog."C",
    source_id text NOT NULL COLLATE pg_catalog."C",
    "overlay" integer NOT NULL,
    import_id integer NOT NULL
);
CREATE TABLE public.run_rows (
    run_id text NOT NULL COLLATE pg_catalog."C",
    number integer NOT NULL,
    asked json NOT NULL,
    status text COLLATE pg_catalog."C",
    answer json,
    timings json,
    input_tokens integer NOT NULL,
    output_tokens integer NOT NULL,
    cost_usd double precision
);
CREATE TABLE public.runs (
    id text NOT NULL COLLATE pg_catalog."C",
    created_at text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    sheet json NOT NULL,
    options json NOT NULL,
    sha256 text NOT NULL COLLATE pg_catalog."C",
    job_id text COLLATE pg_catalog."C",
    seconds double precision NOT NULL
);
CREATE TABLE public.shows (
    number integer NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    title text NOT NULL COLLATE pg_catalog."C",
    titles json NOT NULL,
    tags json NOT NULL,
    description text NOT NULL COLLATE pg_catalog."C",
    episodes bigint,
    year bigint,
    end_year bigint,
    rating double precision,
    votes bigint,
    relations json NOT NULL,
    "similar" json NOT NULL,
    record json NOT NULL,
    content_hash text NOT NULL COLLATE pg_catalog."C",
    text_hash text NOT NULL COLLATE pg_catalog."C",
    import_id integer NOT NULL,
    type text COLLATE pg_catalog."C",
    type_inferred boolean,
    air_date text COLLATE pg_catalog."C",
    end_date text COLLATE pg_catalog."C",
    season text COLLATE pg_catalog."C",
    airing text COLLATE pg_catalog."C",
    restricted boolean,
    source text COLLATE pg_catalog."C",
    duration bigint,
    studios json,
    tag_weights json,
    collection json
);
CREATE SEQUENCE public.shows_number_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.shows_number_seq OWNED BY public.shows.number;
CREATE TABLE public.vectors (
    model text NOT NULL COLLATE pg_catalog."C",
    dimensions integer NOT NULL,
    text_hash text NOT NULL COLLATE pg_catalog."C",
    vector bytea NOT NULL,
    checksum bigint
);
CREATE TABLE public.word_postings (
    word text NOT NULL COLLATE pg_catalog."C",
    number integer NOT NULL,
    length integer NOT NULL,
    titles smallint NOT NULL,
    tags smallint NOT NULL,
    description smallint NOT NULL,
    pairs smallint NOT NULL
);
CREATE TABLE public.word_shows (
    number integer NOT NULL,
    length integer NOT NULL,
    phrases tsvector NOT NULL
);
CREATE TABLE public.word_totals (
    id integer NOT NULL,
    shows bigint NOT NULL,
    words bigint NOT NULL
);
ALTER TABLE ONLY public.imports ALTER COLUMN id SET DEFAULT nextval('public.imports_id_seq'::regclass);
ALTER TABLE ONLY public.shows ALTER COLUMN number SET DEFAULT nextval('public.shows_number_seq'::regclass);
ALTER TABLE ONLY public.answers
    ADD CONSTRAINT answers_pkey PRIMARY KEY (key);
ALTER TABLE ONLY public.conversations
    ADD CONSTRAINT conversations_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.deletions
    ADD CONSTRAINT deletions_pkey PRIMARY KEY (show_id);
ALTER TABLE ONLY public.edits
    ADD CONSTRAINT edits_pkey PRIMARY KEY (show_id);
ALTER TABLE ONLY public.exchanges
    ADD CONSTRAINT exchanges_pkey PRIMARY KEY (conversation_id, number);
ALTER TABLE ONLY public.experiments
    ADD CONSTRAINT experiments_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.facts
    ADD CONSTRAINT facts_pkey PRIMARY KEY (key);
ALTER TABLE ONLY public.imports
    ADD CONSTRAINT imports_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.indexed
    ADD CONSTRAINT indexed_pkey PRIMARY KEY (collection, show_id);
ALTER TABLE ONLY public.job_requests
    ADD CONSTRAINT job_requests_pkey PRIMARY KEY (job_id);
ALTER TABLE ONLY public.jobs
    ADD CONSTRAINT jobs_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.kept_apart
    ADD CONSTRAINT kept_apart_pkey PRIMARY KEY (first, second);
ALTER TABLE ONLY public.merges
    ADD CONSTRAINT merges_pkey PRIMARY KEY (source_id);
ALTER TABLE ONLY public.my_list
    ADD CONSTRAINT my_list_pkey PRIMARY KEY (show_id);
ALTER TABLE ONLY public.provenance
    ADD CONSTRAINT provenance_pkey PRIMARY KEY (show_id, file, source_id);
ALTER TABLE ONLY public.run_rows
    ADD CONSTRAINT run_rows_pkey PRIMARY KEY (run_id, number);
ALTER TABLE ONLY public.runs
    ADD CONSTRAINT runs_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.shows
    ADD CONSTRAINT shows_id_key UNIQUE (id);
ALTER TABLE ONLY public.shows
    ADD CONSTRAINT shows_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.vectors
    ADD CONSTRAINT vectors_pkey PRIMARY KEY (model, dimensions, text_hash);
ALTER TABLE ONLY public.word_shows
    ADD CONSTRAINT word_shows_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.word_totals
    ADD CONSTRAINT word_totals_pkey PRIMARY KEY (id);
CREATE INDEX ix_answers_revision ON public.answers USING btree (revision);
CREATE INDEX ix_shows_import_id ON public.shows USING btree (import_id);
CREATE INDEX shows_fingerprints ON public.shows USING btree (id, text_hash, content_hash);
CREATE UNIQUE INDEX word_postings_all ON public.word_postings USING btree (word, number) INCLUDE (length, titles, tags, description, pairs);
CREATE INDEX word_postings_number ON public.word_postings USING btree (number);
ALTER TABLE ONLY public.edits
    ADD CONSTRAINT edits_show_id_fkey FOREIGN KEY (show_id) REFERENCES public.shows(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.exchanges
    ADD CONSTRAINT exchanges_conversation_id_fkey FOREIGN KEY (conversation_id) REFERENCES public.conversations(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.job_requests
    ADD CONSTRAINT job_requests_job_id_fkey FOREIGN KEY (job_id) REFERENCES public.jobs(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.my_list
    ADD CONSTRAINT my_list_show_id_fkey FOREIGN KEY (show_id) REFERENCES public.shows(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.provenance
    ADD CONSTRAINT provenance_import_id_fkey FOREIGN KEY (import_id) REFERENCES public.imports(id);
ALTER TABLE ONLY public.provenance
    ADD CONSTRAINT provenance_show_id_fkey FOREIGN KEY (show_id) REFERENCES public.shows(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.run_rows
    ADD CONSTRAINT run_rows_run_id_fkey FOREIGN KEY (run_id) REFERENCES public.runs(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.shows
    ADD CONSTRAINT shows_import_id_fkey FOREIGN KEY (import_id) REFERENCES public.imports(id);
