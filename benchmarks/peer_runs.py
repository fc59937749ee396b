"""Run another library once in a separate process with its own interpreter, for peers.py; print its figures.

The clock starts after imports, clients and the collection, and after one word is embedded, because the SDK imports most
of itself at its first call. Documents, batches and the provider are the same for all.
"""

import asyncio
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

MODEL, BATCH = "text-embedding-3-small", 100


def langchain(url, directory):
    from langchain_chroma import Chroma
    from langchain_openai import OpenAIEmbeddings

    # check_embedding_ctx_length would fetch a tokenizer from the network.
    embeddings = OpenAIEmbeddings(
        model=MODEL, base_url=url, api_key="unused", check_embedding_ctx_length=False, chunk_size=BATCH
    )
    store = Chroma("peer", embeddings, persist_directory=directory, collection_metadata={"hnsw:space": "cosine"})
    return embeddings, store


def langchain_sync(documents, url, directory, _level):
    """Embed and write one batch after another."""
    from langchain_core.documents import Document

    embeddings, store = langchain(url, directory)
    made = [Document(page_content=one["text"], metadata=one["metadata"], id=one["id"]) for one in documents]
    embeddings.embed_query("warm")
    started_s = time.perf_counter()
    for start in range(0, len(made), BATCH):
        part = made[start : start + BATCH]
        store.add_documents(part, ids=[one.id for one in part])
    return time.perf_counter() - started_s, store._collection.count()


def langchain_best(documents, url, directory, level):
    """Embed asynchronously and write in one thread: the fastest combination of its parts."""
    embeddings, store = langchain(url, directory)
    collection = store._collection

    async def work():
        slots, writer, loop = asyncio.Semaphore(level), ThreadPoolExecutor(1), asyncio.get_running_loop()

        def write(part, vectors):
            collection.upsert(
                ids=[one["id"] for one in part],
                embeddings=vectors,
                documents=[one["text"] for one in part],
                metadatas=[one["metadata"] for one in part],
            )

        async def take(part):
            async with slots:
                vectors = await embeddings.aembed_documents([one["text"] for one in part])
            await loop.run_in_executor(writer, write, part, vectors)

        await embeddings.aembed_query("warm")
        started_s = time.perf_counter()
        await asyncio.gather(*(take(documents[start : start + BATCH]) for start in range(0, len(documents), BATCH)))
        return time.perf_counter() - started_s

    return asyncio.run(work()), collection.count()


def llamaindex(documents, url, directory, level):
    import chromadb
    from llama_index.core.ingestion import IngestionPipeline
    from llama_index.core.schema import TextNode
    from llama_index.embeddings.openai import OpenAIEmbedding
    from llama_index.vector_stores.chroma import ChromaVectorStore

    client = chromadb.PersistentClient(directory)
    collection = client.create_collection("peer", metadata={"hnsw:space": "cosine"}, embedding_function=None)
    embedding = OpenAIEmbedding(model=MODEL, api_base=url, api_key="unused", embed_batch_size=BATCH, num_workers=level)
    store = ChromaVectorStore(chroma_collection=collection)
    pipeline = IngestionPipeline(transformations=[embedding], vector_store=store, disable_cache=True)
    nodes = [TextNode(id_=one["id"], text=one["text"], metadata=one["metadata"]) for one in documents]

    async def work():
        await embedding.aget_text_embedding("warm")
        started_s = time.perf_counter()
        await pipeline.arun(nodes=nodes)
        return time.perf_counter() - started_s

    def work_in_turn():
        embedding.get_text_embedding("warm")
        started_s = time.perf_counter()
        pipeline.run(nodes=nodes)
        return time.perf_counter() - started_s

    # With one worker, `arun` has no limit and sends everything at the same time.
    return asyncio.run(work()) if level > 1 else work_in_turn(), collection.count()


RUNS = {"langchain": langchain_sync, "langchain-best": langchain_best, "llamaindex": llamaindex}

if __name__ == "__main__":
    variant, level, path, url, directory = sys.argv[1:]
    documents = json.loads(Path(path).read_text(encoding="utf-8"))
    wall_s, stored = RUNS[variant](documents, url, directory, int(level))
    print(json.dumps({"wall_s": wall_s, "stored": stored}))
