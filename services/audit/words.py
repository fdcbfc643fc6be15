"""Short sentences, English and Traditional Chinese, made from outcomes, reason codes and kinds of difference."""

from collections.abc import Mapping
from typing import Any

LANGUAGES = ("en", "zh-Hant")
OUTCOMES: Mapping[str, tuple[str, str]] = {
    "granted": ("was granted", "獲准"),
    "recommend_only": ("became a recommendation", "改為建議"),
    "escalated": ("was passed to the next in line", "上報上級"),
    "refused": ("was refused", "不獲准"),
}
REASONS: Mapping[str, tuple[str, str]] = {
    "within_limits": ("it lies within every limit of the clause", "在該條權限之內"),
    "matrix_unset": ("no authority matrix was in force", "當時沒有生效的權限表"),
    "unknown_clause": ("the matrix in force has no such clause", "生效的權限表沒有這一條"),
    "verb_not_granted": ("the clause does not grant this act", "該條沒有給予這項權力"),
    "own_case": ("nobody decides on a matter of their own", "不得決定與本人有關的事"),
    "no_delegation": ("no delegation between these two people exists", "雙方之間沒有授權"),
    "delegation_not_in_force": ("the delegation did not hold on that day", "授權當日並不生效"),
    "row_not_delegated": ("the delegation does not cover this clause or property", "授權不包括這一條或這個物業"),
    "not_the_holder": ("the actor does not hold the position that has this power", "行使人不在有此權力的職位上"),
    "unknown_grade": ("the grade of the person concerned is not on the ladder", "當事人的職級不明"),
    "legal_policy_unset": ("no legal policy was in force for the property", "該物業當時沒有生效的法律規則"),
    "fines_forbidden": ("the legal policy in force forbids fines", "生效的法律規則禁止罰款"),
    "prior_written_notice_missing": (
        "the reason and amount were not given in writing before",
        "事前沒有書面告知原因和金額",
    ),
    "outside_own_office": ("the matter is not one of the actor's own office", "不屬於行使人所在的管理處"),
    "measure_not_given": ("what the limit measures was not shown", "沒有列出該限額所量度的數"),
    "currency_differs": ("the amount is in another currency than the limit", "金額與限額的貨幣不同"),
    "counts_as_absence": ("lateness of that length counts as absence", "遲到達此程度按曠工論"),
    "below_limit": ("it lies under the range of the clause", "低於該條的範圍"),
    "beyond_limit": ("it passes the limit of the clause", "超過該條的限額"),
    "condition_unmet": ("a condition of the clause was not shown to be met", "該條的條件未獲證明"),
    "only_opens_a_request": ("the clause only opens a request that someone above closes", "該條只可提出,由上級決定"),
    "above_grade_ceiling": (
        "the grade of the person concerned lies above the clause's scope",
        "當事人的職級高於該條的範圍",
    ),
    "other_department": ("the person concerned belongs to another department", "當事人屬於其他部門"),
    "another_row_covers_it": ("another clause covers this kind of matter", "這類事項屬於另一條"),
    "day_not_derived": ("nothing is known of that day", "當日沒有記錄"),
    "day_not_over": ("the day was not over", "當日尚未結束"),
    "no_such_occurrence": ("the day shows no such occurrence", "當日沒有這項情況"),
    "already_penalised": ("a penalty stands on the same occurrence already", "同一情況已有扣罰"),
    "wage_unset": ("no base wage was recorded for the person", "沒有登記基本工資"),
    "clause_does_not_cover": ("the clause does not cover this kind of occurrence", "該條不適用於這種情況"),
    "no_such_shift": ("the day has no such shift", "當日沒有這個班次"),
    "already_confirmed": ("the same punch was confirmed already", "同一次打卡已經確認"),
    "punch_present": ("the punch was not missing", "並沒有漏打卡"),
    "quota_exceeded": ("the quota is used up", "次數或名額已用完"),
    "arrival_not_established": ("arrival on time was not established", "未能證明按時到崗"),
    "balance_exceeded": ("no such day of leave is left in the year", "當年該類假期餘額不足"),
    "same_breach_that_day": ("a case of the same breach on the same day stands already", "同日同一違紀已立案"),
    "statement_missing": ("the person was not heard", "尚未聽取當事人陳述"),
    "appeal_too_late": ("the days in which an appeal may be made are over", "申訴期限已過"),
    "month_not_over": ("the month is not over", "當月尚未結束"),
    "days_open": ("days of the month are not derived", "當月仍有未核算的日子"),
    "month_unconfirmed": ("the month's attendance was not confirmed", "當月考勤未經確認"),
    "not_accountable": ("somebody else is accountable for the ticket", "工單由他人負責"),
    "own_work": ("nobody verifies his own work", "不得驗收自己的工作"),
    "closing_demands_unmet": ("something that its kind demands before closing is missing", "欠缺結案所需的事項"),
    "not_of_the_department": ("the person is not of the department that was asked", "不屬被請求的部門"),
    "own_draft": ("nobody reviews his own draft", "不得審閱自己的草稿"),
    "not_released": ("the letter was not released", "信函未經審閱放行"),
}
CLAMPS: Mapping[str, tuple[str, str]] = {
    "authority_cap": ("the cap of the clause", "該條的上限"),
    "legal_mode": ("the mode of the legal policy", "法律規則的方式"),
    "legal_cap_per_occurrence": ("the legal cap per occurrence", "每次的法定上限"),
    "monthly_cap": ("the legal cap of the month", "每月累計的法定上限"),
    "minimum_wage_floor": ("the minimum wage floor", "最低工資"),
}
KINDS: Mapping[str, tuple[str, str]] = {
    "deleted": ("was deleted", "被刪除"),
    "altered": ("was altered", "被改動"),
    "inserted": ("was inserted", "是後加的"),
    "reordered": ("was moved", "被調換次序"),
    "truncated": ("was cut off from the end", "被截去"),
    "unreadable": ("is no readable fact", "不可讀"),
    "behind": ("has not been taken in yet", "尚未收錄"),
}
SIDES: Mapping[str, tuple[str, str]] = {
    "store": ("in the service's store", "在服務的資料庫"),
    "ledger": ("in the ledger", "在審計帳"),
    "both": ("in both copies", "在兩份副本"),
    "unknown": ("in one of the copies", "在其中一份副本"),
}

LOG_KINDS: Mapping[str, tuple[str, str]] = {
    "altered": ("is not what the log committed to", "與存證日誌所承諾的不符"),
    "lost": ("stands in the log and no longer in the store", "存證日誌有,資料庫已無"),
    "omitted": ("was left out of the log", "存證日誌漏記"),
    "unsalted": ("cannot be compared: its salt is not held", "無法核對:沒有其鹽值"),
}


def word(table: Mapping[str, tuple[str, str]], code: str, language: str) -> str:
    """The phrase of a code; a code without one is shown as it is."""
    return table.get(code, (code, code))[language == "zh-Hant"]


def decision_words(history: Mapping[str, Any], language: str) -> list[str]:
    """The history of one decision, from what `services.audit.history.of_decision` answers."""
    made = {"en": _decision_english, "zh-Hant": _decision_chinese}[language]
    return made(history)


def _decision_english(history: Mapping[str, Any]) -> list[str]:
    decision, who, ruling = history["decision"], history["who"], history.get("ruling")
    lines = [
        f"{who['actor']} asked for it at {decision['decided_at'] or decision['recorded_at']}; recorded as {decision['type']}."
    ]
    if who.get("on_behalf_of"):
        lines.append(f"It was done on behalf of {who['on_behalf_of']}, under the delegation {who['delegation']}.")
    if ruling:
        lines.append(
            f"Under clause {ruling['row_id']} of the matrix {ruling['matrix_version']} it {word(OUTCOMES, ruling['outcome'], 'en')}: "
            f"{word(REASONS, ruling['reason'], 'en')}."
        )
        if ruling.get("escalate_to"):
            lines.append(f"Next in line: {ruling['escalate_to']}.")
        for clamp in ruling.get("clamps", ()):
            cut = "cut something off" if clamp["bound"] else "did not bind"
            lines.append(f"Step {clamp['step']}, {word(CLAMPS, clamp['kind'], 'en')} ({clamp['rule']}), {cut}.")
    elif (history["data"] or {}).get("reason"):
        lines.append(f"It was refused before any clause was asked: {word(REASONS, history['data']['reason'], 'en')}.")
    if history["clause"]:
        lines.append(f"The clause says: {history['clause']['sentence']}")
    named = sum(len(evidence["facts"]) for evidence in history["evidence"])
    lines.append(f"It rests on {named} facts and led to {len(history['led_to'])} more.")
    return lines


def _decision_chinese(history: Mapping[str, Any]) -> list[str]:
    decision, who, ruling = history["decision"], history["who"], history.get("ruling")
    lines = [f"{who['actor']} 於 {decision['decided_at'] or decision['recorded_at']} 提出;記錄為 {decision['type']}。"]
    if who.get("on_behalf_of"):
        lines.append(f"代 {who['on_behalf_of']} 行事,授權編號 {who['delegation']}。")
    if ruling:
        lines.append(
            f"按權限表 {ruling['matrix_version']} 第 {ruling['row_id']} 條,{word(OUTCOMES, ruling['outcome'], 'zh-Hant')}:"
            f"{word(REASONS, ruling['reason'], 'zh-Hant')}。"
        )
        if ruling.get("escalate_to"):
            lines.append(f"上級為 {ruling['escalate_to']}。")
        for clamp in ruling.get("clamps", ()):
            cut = "有削減" if clamp["bound"] else "沒有削減"
            lines.append(f"第 {clamp['step']} 步,{word(CLAMPS, clamp['kind'], 'zh-Hant')}({clamp['rule']}),{cut}。")
    elif (history["data"] or {}).get("reason"):
        lines.append(f"未按條文審理即不獲准:{word(REASONS, history['data']['reason'], 'zh-Hant')}。")
    if history["clause"]:
        lines.append(f"條文:{history['clause']['sentence']}")
    named = sum(len(evidence["facts"]) for evidence in history["evidence"])
    lines.append(f"依據 {named} 項事實,其後引出 {len(history['led_to'])} 項。")
    return lines


def difference_words(difference: Mapping[str, Any], language: str) -> str:
    """One difference between store and ledger."""
    named = difference["event_id"] or "?"
    kind, side = word(KINDS, difference["kind"], language), word(SIDES, difference["side"], language)
    if language == "zh-Hant":
        return f"第 {difference['number']} 項 {named}({difference['type'] or '?'}){side}{kind}"
    return f"number {difference['number']}, {named} ({difference['type'] or '?'}), {kind} {side}"


def log_difference_words(difference: Mapping[str, Any], language: str) -> str:
    """One difference between a store and the log, e.g. `number 7 (id) is not what the log committed to, entry 12`."""
    told = word(LOG_KINDS, difference["kind"], language)
    event_id, entry = difference["event_id"], difference["entry"]
    if language == "zh-Hant":
        return f"第 {difference['number']} 號({event_id}){told}" + (f",日誌第 {entry} 條" if entry >= 0 else "")
    return f"number {difference['number']} ({event_id}) {told}" + (f", entry {entry}" if entry >= 0 else "")


FINDINGS: Mapping[str, tuple[str, str]] = {
    "checkpoint_missing": ("the log has no readable checkpoint", "日誌沒有可讀的檢查點"),
    "not_signed": ("a signature is missing or does not verify", "簽名缺失或無效"),
    "altered": ("was altered", "被改動"),
    "removed": ("was removed", "被移除"),
    "inserted": ("was put in afterwards", "是後加的"),
    "reordered": ("was moved", "被調換次序"),
    "bundle_unreadable": ("stand in a bundle that is cut off", "所在的文件殘缺"),
    "tile_altered": ("are covered by a hash that was altered", "的雜湊值被改動"),
    "tile_missing": ("are covered by a file that is missing", "的文件缺失"),
    "root_differs": ("the log is not what was signed", "日誌與所簽的不符"),
    "rewritten": ("were rewritten and signed anew", "被改寫並重新簽名"),
    "cut_back": ("were cut off from the end", "被截去"),
    "omitted": ("the log leaves a fact out", "日誌漏記一項事實"),
    "repeated": ("repeats a number of its chain", "重複了鏈中的編號"),
    "not_an_entry": ("is no entry of this log", "不是日誌條目"),
}


def finding_words(finding: Mapping[str, Any], language: str) -> str:
    """One finding of a verification, e.g. `entry 7 was altered (attendance/…, number 3): …`."""
    told = word(FINDINGS, finding["kind"], language)
    first, last, chinese = finding["first"], finding["last"], language == "zh-Hant"
    where = ""
    if first >= 0:
        span = f"{first}" if first == last else f"{first}–{last}" if chinese else f"{first} to {last}"
        where = f"第 {span} 條" if chinese else f"{'entry' if first == last else 'entries'} {span} "
    fact = ""
    if finding["number"]:
        number = f"第 {finding['number']} 號" if chinese else f"number {finding['number']}"
        fact = f" ({finding['chain']}, {number}{', ' + finding['event_id'] if finding['event_id'] else ''})"
    return f"{where}{told}{fact}" + (f": {finding['what']}" if finding["what"] else "")
