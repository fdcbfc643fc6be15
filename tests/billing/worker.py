"""Charges, posts and allocates a prepared month, as a process of its own that may be killed: `python -m tests.billing.worker`."""

import sys
from datetime import date
from pathlib import Path
from typing import Any

from bailiwick_contracts.message import Request

from tests.bench.billing import Company
from tests.billing.office import Accounts, local


class Told(Company):
    """Says when a request was answered."""

    def send(self, request: Request, place: str) -> Any:
        """As a company sends, and a line for each."""
        answer = super().send(request, place)
        sys.stdout.write("answered\n")
        sys.stdout.flush()
        return answer


def main() -> None:
    """`<database url> <directory> <units>`: whatever was done before stays done; says each stage, and each request answered."""
    url, directory, units = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    accounts = Accounts(url, directory)
    company = Told.resumed(accounts, units)
    company.at_once = 10
    for name, work in (("charge", company.charge), ("post", company.post), ("allocate", company.allocate)):
        sys.stdout.write(f"{name}\n")
        sys.stdout.flush()
        accounts.now = local(date(2026, 3, 2 if name == "charge" else 26))
        work()
    sys.stdout.write(f"{company.totals()}\n")
    accounts.close()


if __name__ == "__main__":
    main()
