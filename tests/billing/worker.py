"""Charges, posts and allocates a prepared month, as a process of its own that may be killed: `python -m tests.billing.worker`."""

import sys
from datetime import date
from pathlib import Path

from tests.bench.billing import Company
from tests.billing.office import Accounts, local


def main() -> None:
    """`<database url> <directory> <units>`: whatever was done before stays done; each stage is named as it begins."""
    url, directory, units = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    accounts = Accounts(url, directory)
    accounts.now = local(date(2026, 3, 2))
    company = Company.resumed(accounts, units)
    company.at_once = 10
    for name, work in (("charge", company.charge), ("post", company.post), ("allocate", company.allocate)):
        sys.stdout.write(f"{name}\n")
        sys.stdout.flush()
        work()
    sys.stdout.write(f"{company.totals()}\n")
    accounts.close()


if __name__ == "__main__":
    main()
