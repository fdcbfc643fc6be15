"""The 23,648 real punches of a year, imported as the command line does: lateness is derived and stored with them."""

import time
from dataclasses import replace
from datetime import date
from datetime import time as clock
from pathlib import Path

import sqlalchemy as sa
from bailiwick_contracts.registry import AddProperty

from services.attendance.imports import PunchMapping, StaffMapping, read_workdays
from services.attendance.views import DAYS
from services.cli import given, taking_in
from services.kernel.bus import connect
from services.kernel.doors import Door
from services.run.catalogue import factories
from services.run.desk import Desk
from services.run.embedded import embedded
from tests.bench.figures import Figures
from tests.bench.place import PLACE, Place

DATA = Path(__file__).parents[3] / "shared" / "data"


async def punches(place: Place) -> Figures:
    """Punches a second from the file to the last answer. Nothing where the public data set is not beside the project."""
    if not DATA.is_dir():
        return {}
    chosen = {name: made for name, made in factories().items() if name in ("registry", "attendance")}
    async with embedded(place.settings, chosen) as (settings, supervisor):
        client = await connect(settings.nats_url, "bench")
        desk = Desk(client, Door(settings.doors_dir))
        added = await desk.send(
            AddProperty(property_id=PLACE, name=PLACE, time_zone="Asia/Shanghai"), given.SETUP, PLACE
        )
        if added.outcome != "done":
            raise RuntimeError(f"not done: {added}")
        workdays = DATA / "workdays-2015.csv"
        asked = taking_in.Asked(PLACE, "device", False, True, (clock(10), clock(17)), workdays)
        await taking_in.staff(desk, asked, DATA / "staff-2015.csv", date(2014, 1, 1), {}, StaffMapping())
        days = sorted(read_workdays(workdays.read_bytes()).rows)
        await taking_in.publish(desk, asked, days, "Asia/Shanghai", workdays.name)
        rostered = replace(asked, shift=None)
        begun = time.perf_counter()
        report = await taking_in.punches(desk, rostered, DATA / "punches-2015.csv", PunchMapping(), None)
        seconds = time.perf_counter() - begun
        with supervisor.runtimes["attendance"].store.reading() as connection:
            derived = connection.execute(sa.select(sa.func.count()).select_from(DAYS)).scalar()
        await client.close()
    if (report["accepted"], report["rejected"]) != (23_648, 0) or derived != 50 * 249:
        raise RuntimeError(f"{derived} days derived: {report}")
    return {"real punches imported, punches/s": report["accepted"] / seconds}
