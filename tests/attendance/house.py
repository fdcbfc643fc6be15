"""House rules as tests adopt them."""

from bailiwick_contracts.house_rules import AppraisalForm, Headcount, HouseRules, LeaveKind, Offence, SanctionStep
from bailiwick_contracts.matrix import Ratio

LADDER = (
    SanctionStep(sanction="warning"),
    SanctionStep(sanction="days_without_duty", days=1),
    SanctionStep(sanction="days_without_duty", days=2),
    SanctionStep(sanction="suspension"),
    SanctionStep(sanction="dismissal"),
)
"""Case C10."""
RULES = HouseRules(
    version="house-1",
    offences=(
        Offence(code="late-report", title="report handed in late", window_days=365, ladder=LADDER),
        Offence(code="rude", title="rude to an owner", window_days=180, ladder=LADDER[:2]),
        Offence(code="theft", title="theft", severity="serious", ladder=LADDER[-1:]),
    ),
    leave_kinds=(
        LeaveKind(code="sick", title="病假", paid=True),
        LeaveKind(code="annual", title="年假", paid=True, days_per_year=Ratio(numerator=5)),
        LeaveKind(code="personal", title="事假", paid=False),
        LeaveKind(code="comp", title="補休", paid=True, from_overtime=True),
    ),
    headcount=(Headcount(position="cleaner", approved=2),),
    appraisal=AppraisalForm(sections=("duty", "service", "conduct")),
)
