"""Which models are embedded, known without loading them."""

MODEL = "universal-sentence-encoder-multilingual-3"
DIMENSIONS = 512
EXTRACTIVE = "extractive"  # writes answers by quoting
