"""One toy service as a process of its own: `python -m tests.real.process toy|echo`, settings from the environment."""

import asyncio
import sys

from services.kernel.settings import Settings
from services.run.logs import configure
from services.run.serve import serve
from tests.kernel.toy import ECHO, TOY

if __name__ == "__main__":
    configure("WARNING")
    chosen = {"toy": TOY, "echo": ECHO}[sys.argv[1]]
    asyncio.run(serve(Settings(), {chosen.name: lambda _: chosen}))
