"""What a fault is: something that happens to a system while commands flow.

`soak` is False in the smoke of every row, which takes seconds, and True in the rounds of `make crash`.
"""

import random
from collections.abc import Awaitable, Callable

from tests.crash.system import System

Fault = Callable[[System, random.Random, bool], Awaitable[None]]
