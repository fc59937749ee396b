"""The names of the embedded models, in a module that does not load them."""

MODEL = "universal-sentence-encoder-multilingual-3"
DIMENSIONS = 512
EXTRACTIVE = "extractive"  # answers by quoting
