# ruff: noqa: E501 - a row of this table is a page
"""Every way in which a request can fail, as RFC 9457 problem details: one code, one status, one page each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from pydantic_core import to_json
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True)
class Kind:
    """A kind of failure: its status, and what it means, in English and in Chinese."""

    status: int
    title: str
    title_zh: str
    what: str
    what_zh: str


KINDS: Mapping[str, Kind] = {
    "malformed": Kind(400, "The request cannot be read", "無法讀取請求", "A header, a parameter or the body is not what HTTP or JSON asks for; `detail` names it. Nothing was recorded.", "標頭、參數或內容不符合 HTTP 或 JSON 的格式，詳見 detail。未作任何記錄。"),
    "idempotency_key_missing": Kind(400, "An Idempotency-Key is needed", "缺少 Idempotency-Key", "Every POST carries a key of the caller's choice. The same key again answers what was answered, so that a request whose answer was lost can be sent again.", "每個 POST 須帶呼叫方自選的鍵。以同一鍵重發，會得到原來的答覆。"),
    "cursor_unknown": Kind(400, "This place in the feed does not exist", "游標不存在", "The cursor was made by another installation, or is none. Begin again without it.", "游標並非本系統所發，請不帶游標重新開始。"),
    "unauthenticated": Kind(401, "Who is asking is not known", "身份未明", "A valid token or API key is needed.", "須提供有效的權杖或 API 金鑰。"),
    "refused": Kind(403, "Refused by the authority in force", "超出權限，已拒絕並記錄", "The request was understood, and somebody with that authority may do it. The refusal is recorded as the fact in `fact`; `clause` is the sentence it rests on, `limit` what was passed, `asked` what was asked, `who_may` who is next in line.", "請求已受理並依權限矩陣拒絕。fact 為已記錄的拒絕事實，clause 為所依據的條款，limit 為上限，asked 為所求，who_may 為有權處理者。"),
    "forbidden": Kind(403, "This is not for you", "無權使用", "The position or the key does not allow this kind of access.", "所任崗位或金鑰不容許此操作。"),
    "csrf": Kind(403, "The request does not come from this site's own page", "跨站請求已拒絕", "With a session cookie a change needs the header X-CSRF-Token, from a page of this origin.", "以 Cookie 登入時，變更操作須帶 X-CSRF-Token 標頭。"),
    "not_found": Kind(404, "There is nothing here", "找不到", "There is no such thing, or none that may be seen from here.", "沒有此項目，或從此處不可見。"),
    "method_not_allowed": Kind(405, "This is not done with that method", "不支援此方法", "What changes something is a POST, what looks is a GET.", "變更用 POST，查詢用 GET。"),
    "still_running": Kind(409, "The same request is still being decided", "同一請求仍在處理", "Send it again in a moment under the same key; it answers what was decided.", "請稍後以同一鍵重發。"),
    "precondition_failed": Kind(412, "The record has changed since it was read", "記錄已更改", "`since` lists what was stored after the version in If-Match. Read the record again and decide anew.", "since 列出其後的變更。請重新讀取後再決定。"),
    "too_large": Kind(413, "The request is too large", "請求過大", "A message holds at most 256 KiB, a bulk upload at most 10 MiB. Send it in parts.", "單一訊息上限 256 KiB，批量上限 10 MiB，請分批發送。"),
    "unsupported_media_type": Kind(415, "The body's format is not taken here", "不支援的格式", "JSON, and for many at once NDJSON or CSV; never compressed.", "接受 JSON，批量可用 NDJSON 或 CSV；不接受壓縮。"),
    "invalid": Kind(422, "The request does not fit its contract", "請求不符合契約", "`problems` names each field with its value and rule. Nothing was recorded.", "problems 列出各欄位、值及規則。未作記錄。"),
    "idempotency_key_reused": Kind(422, "The Idempotency-Key was used for another request", "Idempotency-Key 已用於其他請求", "One key, one request. Send the new one under a new key.", "一個鍵只對應一個請求，請改用新鍵。"),
    "rejected": Kind(422, "The request makes no sense here", "請求不成立", "Nothing was recorded. `reason`, `field`, `value`, `rule` and `remedy` say why and what to do.", "未作記錄。reason、field、value、rule、remedy 說明原因及處理方法。"),
    "precondition_required": Kind(428, "The version that was read is needed", "須提供所讀版本", "A change of an existing record carries If-Match with the ETag that was read, or `*` to change it whatever it is.", "更改現有記錄須帶 If-Match（讀取時的 ETag），或以 * 表示不論版本。"),
    "too_many_requests": Kind(429, "Too many requests", "請求過於頻繁", "Wait for the seconds in Retry-After.", "請按 Retry-After 的秒數等候。"),
    "internal": Kind(500, "Something failed here", "系統錯誤", "Nothing was recorded, as far as is known. The operator's log holds the cause.", "系統出錯，據目前所知未作記錄。"),
    "unavailable": Kind(503, "The service does not answer", "服務暫不可用", "Send it again under the same key.", "請稍後以同一鍵重發。"),
    "outcome_unknown": Kind(504, "Whether it was decided is not known", "結果未知", "Send it again under the same key: it answers what was recorded, or decides it now.", "請以同一鍵重發：將得到已記錄的結果，或即時處理。"),
}  # fmt: skip


class ProblemError(Exception):
    """A request fails; raised anywhere below a route and answered as problem details."""

    def __init__(self, code: str, detail: str = "", *, headers: Mapping[str, str] | None = None, **more: Any) -> None:
        super().__init__(code)
        self.code, self.detail, self.headers, self.more = code, detail, dict(headers or {}), more

    def document(self, instance: str = "") -> dict[str, Any]:
        """The problem details."""
        kind = KINDS[self.code]
        body: dict[str, Any] = {"type": f"/problems/{self.code}", "title": kind.title, "status": kind.status}
        if self.detail:
            body["detail"] = self.detail
        if instance:
            body["instance"] = quote(instance, safe="/%:@!$&'()*+,;=")
        return body | {name: value for name, value in self.more.items() if value not in (None, "", [], ())}

    def response(self, instance: str = "") -> Response:
        """The answer."""
        return Response(
            to_json(self.document(instance)), KINDS[self.code].status, headers=self.headers, media_type=MEDIA_TYPE
        )


def not_found() -> ProblemError:
    """The same answer for what is not there and for what may not be seen."""
    return ProblemError("not_found")
