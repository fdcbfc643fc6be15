"""Who is asking: only tokens that are right in every respect, and only for as long as the registry and the account say so."""

import base64
import hashlib
import hmac
import json
import secrets
import time
from datetime import UTC, date, datetime
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest
from bailiwick_contracts.gateway import AddAccount
from bailiwick_contracts.staff import AssignPosition, EndEmployment, ErasePerson, RegisterStaff, RehireStaff
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from services.gateway import oidc
from services.gateway.oidc import AGAIN_SECONDS
from services.gateway.oidc import Provider as Reader
from services.gateway.token import LIFETIME, Tokens, hash_password, password_fits
from services.kernel.settings import Settings
from tests.gateway.conftest import NORTH, PASSWORD, SOUTH, System, key
from tests.gateway.provider import Provider

PAGE = f"/v1/properties/{NORTH}/registry/get_property"


def status(system: System, token: str) -> int:
    with system.http(authorization=f"Bearer {token}") as http:
        return http.get(PAGE).status_code


def test_a_person_comes_in_through_the_provider_s_code_flow_with_pkce(system: System, provider: Provider) -> None:
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    with httpx.Client(base_url=provider.issuer) as http:
        known = http.get("/.well-known/openid-configuration").json()
        assert known["jwks_uri"] == f"{provider.issuer}/jwks"
        asked = {"client_id": "bailiwick", "redirect_uri": "http://127.0.0.1/callback", "response_type": "code", "state": "s",
                 "code_challenge": challenge, "code_challenge_method": "S256", "login_hint": "sub-1"}  # fmt: skip
        back = parse_qs(urlsplit(http.get(known["authorization_endpoint"], params=asked).headers["location"]).query)
        grant = {"grant_type": "authorization_code", "code": back["code"][0], "client_id": "bailiwick"}
        assert http.post(known["token_endpoint"], data=grant | {"code_verifier": "wrong"}).status_code == 400
        back = parse_qs(urlsplit(http.get(known["authorization_endpoint"], params=asked).headers["location"]).query)
        token = http.post(
            known["token_endpoint"], data=grant | {"code": back["code"][0], "code_verifier": verifier}
        ).json()["id_token"]
    assert status(system, token) == 200
    with system.http(authorization=f"Bearer {token}") as http:
        body = {
            "type": "attendance.publish_roster.v1",
            "roster_id": "by-oidc",
            "staff_ids": ["guard"],
            "days": [{"day": "2026-06-01"}],
        }
        done = http.post(f"/v1/properties/{NORTH}/attendance/publish_roster", json=body, headers=key())
        assert done.status_code == 200, done.text
        facts = http.get(f"/v1/properties/{NORTH}/records/attendance/roster-by-oidc").json()["facts"]
    assert (facts[0]["actor"], facts[0]["authmethod"], facts[0]["door"]) == ("director", "oidc", "gateway")


def test_a_token_that_is_wrong_in_any_respect_lets_nobody_in(system: System, provider: Provider) -> None:
    good = provider.claims("sub-1")
    now = int(time.time())
    assert status(system, provider.sign(good)) == 200
    assert status(system, provider.sign(good | {"exp": now - 30})) == 200, "60 seconds of skew"
    public = provider.keys[provider.kid].public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    head = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "typ": "JWT", "kid": provider.kid}).encode()).rstrip(
        b"="
    )
    body = base64.urlsafe_b64encode(json.dumps(good).encode()).rstrip(b"=")
    mac = hmac.new(pem, head + b"." + body, "sha256").digest()
    confused = (head + b"." + body + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()
    wrong: dict[str, str] = {
        "alg none": jwt.encode(good, "", "none", headers={"kid": provider.kid}),
        "HS256 with the public key": confused,
        "another issuer": provider.sign(good | {"iss": "https://elsewhere.example"}),
        "another audience": provider.sign(good | {"aud": "another"}),
        "expired": provider.sign(good | {"exp": now - 120}),
        "not yet": provider.sign(good | {"nbf": now + 120}),
        "no expiry": provider.sign({name: value for name, value in good.items() if name != "exp"}),
        "another type": provider.sign(good, typ="logout+jwt"),
        "critical header": provider.sign(good, crit=["exp"]),
        "unknown key": provider.sign(good, kid="../../etc/passwd"),
        "no key id": jwt.encode(good, provider.keys[provider.kid], "RS256"),
        "unknown subject": provider.sign(good | {"sub": "sub-unheard-of"}),
        "too long": provider.sign(good | {"x": "x" * 20_000}),
        "garbage": "a.b.c",
        "our issuer, their key": provider.sign(good | {"iss": "bailiwick"}),
    }
    assert {name: status(system, token) for name, token in wrong.items()} == dict.fromkeys(wrong, 401)


@pytest.mark.long
def test_a_new_key_of_the_provider_is_taken_and_a_made_up_one_does_not_have_it_asked_each_time(
    system: System, provider: Provider
) -> None:
    before = provider.fetched
    for number in range(20):
        assert status(system, provider.sign(provider.claims("sub-1"), kid=f"made-up-{number}")) == 401
    assert provider.fetched - before <= 2
    provider.rotate()
    deadline = time.monotonic() + AGAIN_SECONDS + 5
    while status(system, provider.sign(provider.claims("sub-1"))) != 200:
        assert time.monotonic() < deadline
        time.sleep(0.5)


async def test_a_published_key_that_is_of_no_use_spoils_no_other(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A provider publishes keys of other curves too; while one of them cannot be read, nobody came in, and each was told of an error."""
    published: list[Any] = []
    monkeypatch.setattr(oidc, "AGAIN_SECONDS", -1)
    answering = httpx.MockTransport(lambda _: httpx.Response(200, json={"keys": published[-1]}))
    monkeypatch.setattr(httpx, "AsyncClient", partial(httpx.AsyncClient, transport=answering))
    address = "https://login.example"
    chosen = Settings(data_dir=tmp_path, oidc_issuer=address, oidc_jwks_url=address, oidc_algorithm="ES256")
    right, other = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1())
    now = int(time.time())
    claims = {"iss": address, "aud": "bailiwick", "sub": "sub-1", "iat": now, "exp": now + 60}
    token = jwt.encode(claims, right, "ES256", headers={"kid": "right"})
    keys = [jwk("ES256", right) | {"kid": "right"}, jwk("ES384", other) | {"kid": "other"}]
    useless: list[Any] = [
        {"kty": "EC", "kid": "one"},
        {"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA", "kid": "two"},
        None,
        [],
    ]
    published.append([*useless, *keys])
    assert (await Reader(chosen).read(token))["sub"] == "sub-1"
    with pytest.raises(jwt.PyJWTError):
        await Reader(chosen).read(jwt.encode(claims, right, "ES256", headers={"kid": "other"}))
    published.append(useless)
    with pytest.raises(jwt.InvalidTokenError):
        await Reader(chosen).read(token)


async def test_while_the_provider_is_away_nobody_is_told_that_his_token_is_none(
    system: System, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever heard 401 threw a good token away; who is known goes on."""
    good = provider.claims("sub-1")
    assert status(system, provider.sign(good)) == 200
    monkeypatch.setattr(oidc, "AGAIN_SECONDS", -1)
    for code, text in ((503, "{}"), (200, '{"keys": null}'), (200, "[" * 100_000)):
        answering = httpx.MockTransport(partial(answered, code, text))
        with monkeypatch.context() as patched:
            patched.setattr(httpx, "AsyncClient", partial(httpx.AsyncClient, transport=answering))
            assert status(system, provider.sign(good, kid="not-known-yet")) == 503
            assert status(system, provider.sign(good | {"jti": str(code) + text[:9]})) == 200
    assert status(system, provider.sign(good, kid="not-known-yet")) == 401


def answered(code: int, text: str, _: httpx.Request) -> httpx.Response:
    return httpx.Response(code, text=text)


def jwk(algorithm: str, key: Any) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key()))
    return made


def test_keys_come_from_the_settings_and_over_https(tmp_path: Any) -> None:
    with pytest.raises(ValueError, match="JWKS_URL"):
        Reader(Settings(data_dir=tmp_path, oidc_issuer="https://id.example"))
    with pytest.raises(ValueError, match="https"):
        Reader(Settings(data_dir=tmp_path, oidc_issuer="https://id.example", oidc_jwks_url="http://id.example/jwks"))


def test_our_own_token_ends_with_its_hour_its_password_and_its_account(system: System) -> None:
    with system.http("admin") as http:
        made = http.post(
            "/v1/accounts", json={"account": "brief", "staff_id": "hr", "password": PASSWORD}, headers=key()
        )
        assert made.status_code == 200, made.text
        time.sleep(1.1)
        token = system.http("brief").headers["authorization"].removeprefix("Bearer ")
        path = "/v1/properties/company/registry/list_staff"
        with system.http(authorization=f"Bearer {token}") as brief:
            assert brief.get(path).status_code == 200
            time.sleep(1)
            changed = http.put("/v1/accounts/brief", json={"password": PASSWORD + "!"}, headers=key())
            assert changed.status_code == 200, changed.text
            assert brief.get(path).status_code == 401
        assert http.delete("/v1/accounts/brief", headers=key()).json()["outcome"] == "done"
        with system.http() as nobody:
            assert nobody.post("/v1/tokens", json={"account": "brief", "password": PASSWORD + "!"}).status_code == 401
    tokens = Tokens(b"k" * 32, lambda: datetime.now(UTC) - 2 * LIFETIME)
    with pytest.raises(jwt.ExpiredSignatureError):
        tokens.read(tokens.issue("x")[0])


def test_a_password_is_repeated_in_no_answer(system: System) -> None:
    """Nor where something else beside it is wrong: answers end up in the logs of whoever asked."""
    short, long = "unsaid", "unsaid and long enough"
    with system.http("admin") as http:
        for method, path, body in (
            ("POST", "/v1/accounts", {"account": "quiet", "staff_id": "hr", "password": short}),
            ("POST", "/v1/accounts", {"account": "quiet", "password": long}),
            ("POST", "/v1/accounts", {"account": "quiet", "staff_id": "hr", "password": [long]}),
            ("PUT", "/v1/accounts/hr", {"password": short}),
            ("PUT", "/v1/accounts/hr", {"passwort": long}),
            ("POST", "/v1/tokens", {"password": long}),
        ):
            answer = http.request(method, path, json=body, headers=key())
            assert answer.status_code == 422, answer.text
            assert short not in answer.text, answer.text
            assert answer.json()["problems"][0]["rule"], answer.text


def test_a_door_is_opened_to_a_person_and_a_property_that_are_there(system: System) -> None:
    """The command line looks them up as well: what would let nobody in is refused while somebody looks."""
    body = {"name": "payroll", "acts_as": "payroll-1", "properties": [NORTH, "nort-court"], "access": ["events"]}
    with system.http("admin") as http:
        for path, sent, field, value in (
            ("/v1/accounts", {"account": "lost", "staff_id": "hrr", "password": PASSWORD}, "staff_id", "hrr"),
            ("/v1/api-keys", body, "properties", "nort-court"),
        ):
            answer = http.post(path, json=sent, headers=key())
            assert answer.status_code == 422, answer.text
            assert [(one["field"], one["value"]) for one in answer.json()["problems"]] == [(field, value)]
        assert http.post("/v1/api-keys", json=body | {"properties": [NORTH, "company"]}, headers=key()).is_success


def test_whoever_has_left_comes_in_no_more(system: System) -> None:
    hired = date(2024, 1, 1)
    system.done(RegisterStaff(staff_id="leaver", name="樣本leaver", home_property=SOUTH, hired_on=hired))
    system.done(
        AssignPosition(staff_id="leaver", property_id=SOUTH, position="guard", grade="staff", effective_on=hired)
    )
    system.done(AddAccount(account="leaver", staff_id="leaver", password_hash=hash_password(PASSWORD)))
    system.settled()
    with system.http("leaver") as http:
        path = "/v1/properties/south-court/attendance/get_day?staff_id=leaver&day=2026-03-02"
        assert http.get(path).status_code == 200, http.get(path).text
        system.done(EndEmployment(staff_id="leaver", last_on=date(2026, 1, 31)))
        system.settled()
        assert http.get(path).status_code == 404


def test_whoever_comes_back_holds_nothing_from_before(system: System) -> None:
    hired = date(2024, 1, 1)
    system.done(RegisterStaff(staff_id="returner", name="樣本returner", home_property=NORTH, hired_on=hired))
    post = AssignPosition(
        staff_id="returner", property_id=NORTH, position="office_director", grade="manager", effective_on=hired
    )
    system.done(post)
    system.done(AddAccount(account="returner", staff_id="returner", password_hash=hash_password(PASSWORD)))
    system.settled()
    with system.http("returner") as http:
        assert http.get(PAGE).status_code == 200
        system.done(EndEmployment(staff_id="returner", last_on=date(2026, 1, 31)))
        system.done(RehireStaff(staff_id="returner", home_property=SOUTH, hired_on=date(2026, 2, 1)))
        system.settled()
        assert http.get(PAGE).status_code == 404
        system.done(post.model_copy(update={"effective_on": date(2026, 2, 1)}))
        system.settled()
        assert http.get(PAGE).status_code == 200


def test_an_api_key_is_shown_once_kept_as_a_hash_and_ends_at_once(system: System) -> None:
    with system.http("admin") as http:
        used = key()
        body = {"name": "payroll", "acts_as": "payroll-1", "properties": [NORTH], "access": ["events"]}
        made = http.post("/v1/api-keys", json=body, headers=used).json()
        assert http.post("/v1/api-keys", json=body, headers=used).json() == made, "a lost answer can be asked for again"
        time.sleep(1.1)
        with system.http(authorization=f"Bearer {made['api_key']}") as integration:
            assert integration.get("/v1/events", params={"property": NORTH}).status_code == 200
            assert integration.get(PAGE).status_code == 403
            listed = http.get("/v1/api-keys").text
            assert made["api_key"].partition(".")[2] not in listed
            assert "secret_hash" not in listed
            assert (
                http.post(f"/v1/api-keys/{made['key_id']}/revoke", json={"why": "over"}, headers=key()).status_code
                == 200
            )
            assert integration.get("/v1/events", params={"property": NORTH}).status_code == 401
        assert http.post("/v1/api-keys", json=body | {"acts_as": "system-setup"}, headers=key()).status_code == 422


def test_a_key_that_acts_as_a_person_widens_nothing_when_that_person_leaves(system: System) -> None:
    hired = date(2024, 1, 1)
    system.done(RegisterStaff(staff_id="lender", name="樣本lender", home_property=NORTH, hired_on=hired))
    system.done(
        AssignPosition(staff_id="lender", property_id=NORTH, position="guard", grade="staff", effective_on=hired)
    )
    body = {"name": "clock", "acts_as": "lender", "properties": [NORTH], "access": ["command", "query", "events"]}
    with system.http("admin") as http:
        made = http.post("/v1/api-keys", json=body, headers=key()).json()
    system.settled()
    with system.http(authorization=f"Bearer {made['api_key']}") as clock:
        assert [clock.get(path).status_code for path in (PAGE, "/v1/events")] == [403, 403]
        system.done(EndEmployment(staff_id="lender", last_on=date(2026, 1, 31)))
        system.settled()
        assert [clock.get(path).status_code for path in (PAGE, "/v1/events")] == [404, 403]
        system.done(ErasePerson(staff_id="lender"))
        system.settled()
        assert [clock.get(path).status_code for path in (PAGE, "/v1/events")] == [404, 403]


def test_passwords_are_hashed_with_argon2id() -> None:
    hashed = hash_password("a password of mine")
    assert hashed.startswith("$argon2id$")
    assert password_fits(hashed, "a password of mine")
    assert not password_fits(hashed, "another")
    assert not password_fits(None, "a password of mine")
