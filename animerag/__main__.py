"""`python -m animerag` is `animerag`."""

import sys

from animerag.cli import main

sys.exit(main())
