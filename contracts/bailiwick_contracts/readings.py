"""How ambiguous clauses are read: T1–T15, each a field with its default, so that a company changes data and not code."""

from typing import Annotated, Literal

from pydantic import Field

from bailiwick_contracts.message import Label, Record


class Slip(Record):
    """A slip of the pen in the document, and what is read instead; the original stays in the row's sentence."""

    written: Label
    read: Label


_SLIPS = (
    ("第日", "每日"),
    ("分折", "分析"),
    ("建全", "健全"),
    ("權務", "權利"),
    ("生大", "重大"),
    ("審報", "申報"),
    ("對公司車輛", "派公司車輛"),
    ("離崗、串崗", "不離崗、不串崗"),
    ("停滯不前,重復犯同一錯誤", "不停滯不前,不重復犯同一錯誤"),
)


class Readings(Record):
    """The readings of one version of the matrix. Each description begins with the reading's id."""

    unsatisfied_reach_manager: Annotated[
        bool,
        Field(
            description="T1: 仍滿意 is read 仍不滿意: a follow-up that finds the customer unsatisfied goes to the manager"
        ),
    ] = True
    slips: Annotated[tuple[Slip, ...], Field(description="T2: slips corrected in reading, kept in the sentence")] = (
        tuple(Slip(written=written, read=read) for written, read in _SLIPS)
    )
    contract_below_range: Annotated[
        Literal["co_approve", "decide"],
        Field(description="T3: spend under the lower bound of G3 needs co-approval, or is decided inside the budget"),
    ] = "co_approve"
    contract_above_range: Annotated[
        Literal["report"], Field(description="T3: spend above the upper bound of G3 is reported to the next in line")
    ] = "report"
    co_approved_contracts: Annotated[
        tuple[Label, ...], Field(description="T3: kinds that G2 names keep co-approval whatever the amount")
    ] = ("insurance", "fire_system", "lift", "facade_cleaning")
    base_unit: Annotated[
        Literal["day", "month"],
        Field(description="T4: 基本工資 of a penalty is the base wage of that day, or of the month"),
    ] = "day"
    late_beyond_limit: Annotated[
        Literal["escalate", "half_absence", "whole_absence"],
        Field(description="T5: lateness past A13's minutes goes to the next in line, or counts as absence under A14"),
    ] = "escalate"
    late_minutes_compared: Annotated[
        Literal["exact", "truncated"],
        Field(description="T5: lateness is compared to the second, or in whole minutes with the seconds cut off"),
    ] = "exact"
    one_occurrence_one_penalty: Annotated[
        bool, Field(description="T6: where A13 and A15 both cover an occurrence it is punished once, by the larger")
    ] = True
    year_anchor: Annotated[
        Literal["calendar", "service"],
        Field(description="T7: a year is the calendar year, or runs from the day of entry"),
    ] = "calendar"
    offence_window_from: Annotated[
        Literal["incident", "decision"],
        Field(description="T7: a window of past offences is measured back from this day"),
    ] = "incident"
    unknown_grade: Annotated[
        Literal["refuse", "refuse_under_a_ceiling"],
        Field(description="T8: a subject of unknown grade is refused always, or only where a row has a grade ceiling"),
    ] = "refuse"
    pay_change_measured: Annotated[
        Literal["absolute"], Field(description="T9: A4 measures the absolute value of a change, up or down")
    ] = "absolute"
    pay_cut_needs_consent: Annotated[bool, Field(description="T9: a cut needs evidence of the employee's consent")] = (
        True
    )
    service_error_rate_bound: Annotated[
        Literal["upper"],
        Field(description="T10: the 5 % of K13 is an upper bound; every other percentage is a lower one"),
    ] = "upper"
    payer_classes: Annotated[
        tuple[Label, ...], Field(description="T11: whose charges the collection rate counts, each apart")
    ] = ("owner", "developer")
    collection_cut_off_grace_days: Annotated[
        int, Field(ge=0, description="T11: the cut-off is the end of the period and this many days; frozen at close")
    ] = 0
    legal_policy_unset: Annotated[
        Literal["refuse"], Field(description="T12: without an adopted legal policy no deduction may be decided")
    ] = "refuse"
    narrower_scope_holds: Annotated[
        bool, Field(description="T13: where two rows meet over one matter, the narrower scope holds")
    ] = True
    late_and_early_share_count: Annotated[
        bool, Field(description="T14: late arrivals and early leaves of a year are counted together")
    ] = True
    pay_change_limit_per: Annotated[
        Literal["recommendation"], Field(description="T15: the 200 of A4 hold per recommendation")
    ] = "recommendation"
    pay_change_shown_months: Annotated[
        int, Field(ge=1, description="T15: over how many months the sum of recommended changes is shown beside it")
    ] = 12
    unconfirmed_month: Annotated[
        Literal["blocks_deductions"] | None,
        Field(description="A7: before the director confirms a month's attendance nothing is deducted for its days"),
    ] = None
    superior_without_reporting_line: Annotated[
        Label, Field(description="T8: who is next in line for an actor whose reporting line is not recorded")
    ] = "property_manager"

    @classmethod
    def cited(cls) -> dict[str, tuple[str, ...]]:
        """The fields of each reading, by its id."""
        found: dict[str, list[str]] = {}
        for name, field in cls.__pydantic_fields__.items():
            found.setdefault((field.description or "").partition(":")[0], []).append(name)
        return {reading: tuple(names) for reading, names in found.items()}
