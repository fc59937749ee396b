"""A host for a test: it takes its lease and begins to write, prints the lease, and never ends the transaction."""

import asyncio
import sys
import tempfile
from pathlib import Path

from animerag.storage.library import Library


async def main(url):
    library = await Library.open(url)
    locks = await library.locks(Path(tempfile.mkdtemp()))
    async with library.writing():
        sys.stdout.write(f"{locks.lease}\n")
        sys.stdout.flush()
        await asyncio.sleep(600)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
