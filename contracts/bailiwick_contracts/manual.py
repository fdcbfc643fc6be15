"""The matrix shipped with the product: every power of the job manual of a management office's director, sentence by sentence.

Row ids follow the manual's order: A 人事權, F 財務權, G 行政管理權, P 申請支持權. R rows are the product's own: who keeps the
registry; so are B rows, who keeps the accounts, and S rows, who stands above the director in attendance. A company adopts a
version of its own once it has read each row.
"""

from bailiwick_contracts.matrix import (
    AuthorityMatrix,
    Bound,
    Condition,
    Grade,
    Limit,
    MatrixRow,
    Position,
    Ratio,
    Scope,
    Verb,
)
from bailiwick_contracts.money import Money
from bailiwick_contracts.readings import Readings

MANUAL_VERSION = "manual-2"
"""Since `manual-1`: an unconfirmed month blocks deductions (A7), serious breaches go to the manager (D4b), the S rows say who is
above the director in attendance, the D rows and S3-2 who decides about tickets."""
DIRECTOR, MANAGER, HR, ADMIN, FINANCE = "office_director", "property_manager", "hr", "company_admin", "finance"
ASSISTANT, OFFICER, ESTATE_OFFICER = "property_assistant", "customer_service_officer", "estate_officer"
_OWN, _DUTY_ROWS = "bailiwick", "job-manual-duties"
SERIOUS = "serious_breach"
"""The kind of matter that D4b keeps from the director: only 一般違紀 are handled in the office."""

_EMPLOYEE = Scope(of="employee")
_TEAM = Scope(of="employee", grade_ceiling="team_leader")
_PUNISHED = Scope(of="employee", meets=("A1",))
_ORDINARY = Scope(of="employee", meets=("A1",), excluded_kinds=(SERIOUS,))
_OFFICE = Scope(of="office")
_COMPANY = Scope(of="company", own_office=False)

GRADES = (
    Grade(grade="staff", rank=10, title="員工"),
    Grade(grade="team_leader", rank=20, title="班組長"),
    Grade(grade="supervisor", rank=30, title="主管"),
    Grade(grade="director", rank=40, title="主任"),
    Grade(grade="manager", rank=50, title="經理"),
)
POSITIONS = (
    Position(position=DIRECTOR, title="管理處(客戶服務中心)主任"),
    Position(position=MANAGER, title="物業經理"),
    Position(position=ASSISTANT, title="物業助理"),
    Position(position="cleaning_foreman", title="清潔領班"),
    Position(position="clubhouse_supervisor", title="會所主管"),
    Position(position=HR, title="人事行政部"),
    Position(position=FINANCE, title="財務部"),
    Position(position=ADMIN, title="公司管理員"),
    Position(position=OFFICER, title="物業客戶服務主任"),
    Position(position=ESTATE_OFFICER, title="管業主任(客戶服務)"),
)

_TEAM_POWERS = "對管理處班組長及以下的各級員工有組閣權、獎懲權、調配崗位的決定權,解聘的建議權"
_TEMPORARY = "管理處編制范圍內的臨時員工招聘錄用權"
_PAY_CHANGE = "管理處員工200元范圍內的調薪建議權"
_DUTY = "對管理處員工值班、公休有安排、調動、補休方式的決定權"
_PAY_IN_LIEU = "薪資補償方式的建議權"
_ATTENDANCE = "對人事行政部門提供的本部門員工的考勤有確認權"
_APPRAISAL = "對管理處員工的考評權"
_OFFSITE = "對管理處員工因工外出未打卡有簽名確認權力"
_FORGOTTEN = "對員工已確認按時到崗但因其自己原因未打卡的3次/人/年度有確認權"
_OVERTIME = "對管理處員工加班的審報權及確認權"
_LEAVE = "對管理處員工1天以內病請假有審批權"
_LATE = "對遲到/早退30分鐘以內/次的管理處員工扣罰其基本工資20%以內的權力"
_ABSENT = "對管理處員工曠工/次有扣罰其基本工資100%以內的權力"
_OFTEN_LATE = "對管理處員工年遲到/早退超三次有扣罰其基本工資20%以內的權力"
_DEPUTIES = "有要求管理處各部門主管/班組長培養副手的權力"
_COLLECTION = "要求財務部及時提供收費狀況的權力,以便于及時跟進費用催款工作。"
_OFFICE_WORK = (
    "主持管理處的各類工作會議;主持管理處日常管理工作;"
    "組織實施管理處的工作目標、工作計劃、工作標準、工作程序、管理制度、工作規程的權力"
)
_CONTRACTS = "按公司相關規定,會同審批各類經濟合同權(如保險合同、消防系統維護、電梯維護、外墻清洗)"
_CONTRACT_RANGE = "對500元以上至3000元以下有建議權"
_INSPECTION = "有檢查、記錄、考核管理處員工工作狀況的權務,獎懲管理處員工的權力"
_RECORDS = "有定期不定期要求管理處班組長出示、收集各類數據、報表、原始憑證、值班/巡查/走訪記錄等相關資料的權力"
_COMPLAINTS = (
    "對客戶投訴事務協調組織工程、保安、財務等部門共同處理權力;"
    "對責任部門完成情況有安排回訪的權力,對客戶仍滿意的有向經理匯報的權力"
)
_SURVEY = '每年走訪客戶,發出"服務意見調查表",并將客戶意見匯總、分類轉呈相關責任部門,跟進責任部門整改效果的責任'


def _row(row_id: str, verb: Verb, sentence: str, scope: Scope = _OFFICE, *limits: Limit, **more: object) -> MatrixRow:
    fields = {
        "row_id": row_id,
        "verb": verb,
        "sentence": sentence,
        "holders": (DIRECTOR,),
        "scope": scope,
        "limits": limits,
    }
    return MatrixRow.model_validate(fields | more)


def _yuan(amount: str, *, inclusive: bool = True) -> Bound:
    return Bound(value=Money.model_validate({"amount": amount}), inclusive=inclusive)


def _number(numerator: int, denominator: int = 1, *, inclusive: bool = True) -> Bound:
    return Bound(value=Ratio(numerator=numerator, denominator=denominator), inclusive=inclusive)


_FIFTH = Limit(measure="share_of_base_wage", upper=_number(1, 5), above="recommend", counts="penalty")


def _personnel() -> tuple[MatrixRow, ...]:
    return (
        _row("A1", "decide", _TEAM_POWERS, _TEAM, next_in_line=MANAGER),
        _row("A2", "recommend", _TEAM_POWERS, _TEAM, next_in_line=MANAGER),
        _row("A3", "decide", _TEMPORARY, conditions=(Condition(code="inside_headcount", see="P2"),)),
        _row(
            "A4", "recommend", _PAY_CHANGE, _EMPLOYEE,
            Limit(measure="amount", upper=_yuan("200.00"), above="refuse"),
            conditions=(Condition(code="raise_or_consented_cut"),),
        ),
        _row("A5", "decide", _DUTY),
        _row("A6", "recommend", _PAY_IN_LIEU, next_in_line=HR),
        _row("A7", "confirm", _ATTENDANCE),
        _row("A8", "appraise", _APPRAISAL, _EMPLOYEE),
        _row("A9", "confirm", _OFFSITE, _EMPLOYEE, conditions=(Condition(code="evidence"),)),
        _row(
            "A10", "confirm", _FORGOTTEN, _EMPLOYEE,
            Limit(measure="times_per_year", upper=_number(3), above="escalate"),
            conditions=(Condition(code="arrival_established"),), next_in_line=MANAGER,
        ),
        _row("A11", "submit", _OVERTIME, _EMPLOYEE),
        _row("A11", "confirm", _OVERTIME, _EMPLOYEE),
        _row("A12", "approve", _LEAVE, _EMPLOYEE,
             Limit(measure="days", upper=_number(1), above="escalate"), next_in_line=MANAGER),
        _row(
            "A13", "penalise", _LATE, _PUNISHED,
            Limit(measure="late_minutes", lower=_number(0, inclusive=False), upper=_number(30), above="escalate"), _FIFTH,
            deducts=True, next_in_line=MANAGER,
        ),
        _row(
            "A14", "penalise", _ABSENT, _PUNISHED,
            Limit(measure="share_of_base_wage", upper=_number(1), above="recommend", counts="unpaid_and_penalty"),
            deducts=True, next_in_line=MANAGER,
        ),
        _row(
            "A15", "penalise", _OFTEN_LATE, _PUNISHED,
            Limit(measure="late_times_in_year", lower=_number(3, inclusive=False), below="refuse", see="A13"), _FIFTH,
            deducts=True, next_in_line=MANAGER,
        ),
        _row("A16", "demand", _DEPUTIES),
    )  # fmt: skip


def _finance() -> tuple[MatrixRow, ...]:
    return (
        _row("F1", "apply", "按公司相關財務手續申請獎金的權力。"),
        _row("F2", "apply", "按公司相關財務手續辦理報銷的權力。", conditions=(Condition(code="receipts"),)),
        _row("F3", "use", "按公司規定使用各類備用金的權力。", conditions=(Condition(code="balance_covers"),)),
        _row("F4", "demand", _COLLECTION),
    )


def _administration(readings: Readings) -> tuple[MatrixRow, ...]:
    contracts = Scope(of="office", meets=("G2",), excluded_kinds=readings.co_approved_contracts, beyond="refuse")
    spend = Limit(measure="amount", lower=_yuan("500.00"), upper=_yuan("3000.00"), above="escalate", see="G2")
    small = Limit(measure="amount", upper=_yuan("500.00", inclusive=False), above="recommend", see="G3")
    in_budget = (Condition(code="inside_budget", see="G2"),)
    decides = (_row("G3", "decide", _CONTRACT_RANGE, contracts, small, conditions=in_budget),)
    two = Limit(measure="signatures", lower=_number(2), below="escalate")
    return (
        _row("G1", "decide", _OFFICE_WORK),
        _row("G2", "co_approve", _CONTRACTS, _OFFICE, two),
        _row("G3", "recommend", _CONTRACT_RANGE, contracts, spend),
        *(decides if readings.contract_below_range == "decide" else ()),
        _row("G4", "inspect", _INSPECTION, _EMPLOYEE),
        _row("G4", "decide", _INSPECTION, _ORDINARY),
        _row("G4", "demand", _RECORDS, Scope(of="employee", grade_ceiling="team_leader", beyond="refuse")),
        _row("G5", "decide", _COMPLAINTS),
        _row("G5", "report", _COMPLAINTS, next_in_line=MANAGER),
        _row("G6", "submit", _SURVEY),
        _row("G7", "submit", "接受客戶裝修申請,按規章制度、程序轉呈工程部", next_in_line="engineering"),
    )


def _support() -> tuple[MatrixRow, ...]:
    return (
        _row("P1", "apply", "根據管理處的工作進展,申請專項經營資金和其他資金支持"),
        _row("P2", "apply", "申請修改管理處的組織架構和人員定編、招聘計劃"),
        _row("P3", "apply", "申請業務支持(如對公司車輛)"),
        _row("P4", "apply", "申請專項事件調查權"),
        _row("P5", "apply", "申請公章權"),
        _row("P6", "request", "與相關的保安、工程、財務、行政等部門溝通、協調、請求支援、互相監督權"),
    )


def _duties() -> tuple[MatrixRow, ...]:
    """Duties of the manual under which somebody decides about a ticket: who may, as the three variants have it."""
    staff = (DIRECTOR, MANAGER, ASSISTANT, OFFICER, ESTATE_OFFICER)

    def duty(row_id: str, verb: Verb, sentence: str, *holders: str) -> MatrixRow:
        return _row(row_id, verb, sentence, holders=holders, source=_DUTY_ROWS)

    return (
        duty(
            "D5a",
            "decide",
            "及時處理下屬未能有效解決的投訴、突發事件,對超出能力外的問題立即向上級匯報",
            DIRECTOR,
            MANAGER,
            OFFICER,
        ),
        duty("D5c", "decide", "必要時發《工作單》并匯報至經理處", DIRECTOR, MANAGER, OFFICER),
        duty("D7", "approve", "督導下屬起草事件報告,給業主的信函公文", DIRECTOR, MANAGER),
        duty("D9a", "confirm", "監督、檢查當日維修工作的跟進情況,及時組織回訪", *staff),
        duty("S3-2", "decide", "合理調配人員,協調各崗位的分工與協作,責任到人", *staff),
    )


def _registry() -> tuple[MatrixRow, ...]:
    def own(row_id: str, sentence: str, *holders: str) -> MatrixRow:
        return _row(row_id, "decide", sentence, _COMPANY, holders=holders, source=_OWN, next_in_line=ADMIN)

    return (
        own("R1", "登記、更正及合併員工檔案", HR, ADMIN),
        own("R2", "任命崗位、職級及匯報關係", HR, ADMIN),
        own("R3", "訂定基本工資", HR),
        own("R4", "登記及撤銷授權", HR, ADMIN),
        own("R5", "採納權限表及法律政策", ADMIN),
        own("R6", "設立物業及組織單位", ADMIN),
        own("R7", "信任認證入口", ADMIN),
        own("R8", "刪除離職人員的個人資料", HR, ADMIN),
        own("R9", "採納工單處理時限", ADMIN, MANAGER),
    )


def _billing() -> tuple[MatrixRow, ...]:
    def own(row_id: str, verb: Verb, sentence: str, scope: Scope, *holders: str, above: str = MANAGER) -> MatrixRow:
        return _row(row_id, verb, sentence, scope, holders=holders, source=_OWN, next_in_line=above)

    return (
        own("B1", "decide", "採納收費標準、帳務設定、單元及儀表", _COMPANY, FINANCE, ADMIN, above=ADMIN),
        own("B2", "decide", "每月出帳、抄表入帳及紅沖", _COMPANY, FINANCE, above=FINANCE),
        own("B3", "decide", "收款入帳、銷帳、退款、退票及對帳", _COMPANY, FINANCE, above=FINANCE),
        own("B4", "apply", "申請減免費用", _OFFICE, DIRECTOR),
        own("B4", "approve", "審批減免費用", _COMPANY, MANAGER),
        own("B5", "decide", "收費結帳、收費報表及提供收費狀況", _COMPANY, FINANCE, above=FINANCE),
        own("B6", "decide", "發出催繳通知及標記爭議", _OFFICE, DIRECTOR),
    )


def _above() -> tuple[MatrixRow, ...]:
    """What the manual presupposes of those beside and above the director in matters of attendance."""

    def own(row_id: str, sentence: str, scope: Scope, *holders: str) -> MatrixRow:
        return _row(row_id, "decide", sentence, scope, holders=holders, source=_OWN, next_in_line=HR)

    anyone = Scope(of="employee", own_office=False)
    return (
        own("S1", "提供員工考勤", _COMPANY, HR),
        own("S2", "審批一天以上的請假", anyone, MANAGER, HR),
        own("S3", "處理嚴重違紀及員工申訴", anyone, MANAGER, HR),
        own("S4", "訂定考勤、紀律及加班規則、編制及假期餘額", _COMPANY, HR, ADMIN),
        own("S5", "關閉考勤月份及移交工資數據", _COMPANY, HR),
    )


def manual_matrix(version: str = MANUAL_VERSION, readings: Readings | None = None) -> AuthorityMatrix:
    """The manual as a matrix: rows A1–A16, F1–F4, G1–G7, P1–P6 and the duties that decide about tickets, under readings T1–T15."""
    chosen = readings or Readings(unconfirmed_month="blocks_deductions")
    return AuthorityMatrix(
        version=version,
        rows=(
            *_personnel(),
            *_finance(),
            *_administration(chosen),
            *_support(),
            *_duties(),
            *_registry(),
            *_billing(),
            *_above(),
        ),
        grades=GRADES,
        positions=POSITIONS,
        readings=chosen,
    )
