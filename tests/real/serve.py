"""A llama.cpp server from a separate wheel: writes its address, and serves until standard input ends."""

import json
import sys

import xllamacpp


def settings(model, limit):
    """Two requests at once, at most `limit` tokens per answer, always the same words, and vectors as well."""
    chosen = xllamacpp.CommonParams()
    chosen.model.path = model
    chosen.n_parallel, chosen.n_ctx, chosen.n_predict = 2, 4096, limit
    chosen.cpuparams.n_threads = 2
    chosen.sampling.temp = 0.0
    chosen.embedding, chosen.pooling_type = True, xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    chosen.endpoint_metrics = True
    return chosen


if __name__ == "__main__":
    server = xllamacpp.Server(settings(sys.argv[1], int(sys.argv[2])))
    sys.stdout.write(json.dumps({"url": server.listening_address}) + "\n")
    sys.stdout.flush()
    sys.stdin.read()
