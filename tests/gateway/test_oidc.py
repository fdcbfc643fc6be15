"""An identity provider of other people's making (`oidc-provider` on Node, certified by the OpenID Foundation), run on this machine."""

import base64
import hashlib
import hmac
import json
import re
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest
from bailiwick_contracts.message import COMPANY
from bailiwick_contracts.staff import ExternalId, MapExternalId
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.gateway.oidc import AGAIN_SECONDS
from tests.gateway.conftest import NORTH, System, running, settle

HERE = Path(__file__).parent
VERSION = "9.13.3"
CALLBACK = "http://127.0.0.1/callback"
PAGE = f"/v1/properties/{NORTH}/attendance/list_days?first_on=2026-03-02&last_on=2026-03-02"
pytestmark = [pytest.mark.elsewhere, pytest.mark.timeout(600)]


class Idp:
    """The provider in a process of its own; the test holds its keys, so that it can sign what the provider never would."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._port: int = probe.getsockname()[1]
        self.issuer = f"http://127.0.0.1:{self._port}"
        self.keys: dict[str, RSAPrivateKey] = {}
        self._process: subprocess.Popen[str] | None = None
        self.rotate()

    def rotate(self) -> None:
        """Sign with another key from now on, and publish no other."""
        self.kid = secrets.token_hex(4)
        self.keys = {self.kid: generate_private_key(65537, 2048)}
        algorithm = jwt.get_algorithm_by_name("RS256")
        published = [
            json.loads(algorithm.to_jwk(key)) | {"kid": kid, "use": "sig", "alg": "RS256"}
            for kid, key in self.keys.items()
        ]
        for one in published:
            one.pop("key_ops", None)
        (self._directory / "keys.json").write_text(json.dumps({"keys": published}))

    def start(self) -> None:
        command = ["node", "idp.mjs", str(self._port), "keys.json"]
        self._process = subprocess.Popen(
            command, cwd=self._directory, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout is not None
        assert "ready" in self._process.stdout.readline()

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.communicate(timeout=10)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def signed_in(self, client_id: str, subject: str) -> str:
        """The ID token of somebody who signed in with a browser: authorization code with PKCE."""
        verifier = secrets.token_urlsafe(32)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {"client_id": client_id, "response_type": "code", "scope": "openid", "redirect_uri": CALLBACK,
                 "code_challenge": challenge, "code_challenge_method": "S256"}  # fmt: skip
        with httpx.Client(base_url=self.issuer) as browser:
            answer = browser.get("/auth", params=asked)
            while not answer.headers.get("location", "").startswith(CALLBACK):
                if answer.is_redirect:
                    answer = browser.get(answer.headers["location"])
                    continue
                (form,) = re.findall(r'action="([^"]+)"', answer.text)
                (prompt,) = re.findall(r'name="prompt" value="([^"]+)"', answer.text)
                answer = browser.post(form, data={"prompt": prompt, "login": subject, "password": "any"})
            code = parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]
            given = {"grant_type": "authorization_code", "code": code, "client_id": client_id, "redirect_uri": CALLBACK,
                     "code_verifier": verifier}  # fmt: skip
            token: str = browser.post("/token", data=given).json()["id_token"]
            return token

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        return jwt.encode(claims, self.keys[self.kid], "RS256", headers={"kid": self.kid} | header)


@pytest.fixture(scope="module")
def idp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Idp]:
    if shutil.which("npm") is None:
        pytest.skip("Node is not here")
    directory = tmp_path_factory.mktemp("idp")
    shutil.copy(HERE / "idp.mjs", directory)
    package = {"private": True, "type": "module", "dependencies": {"oidc-provider": VERSION}}
    (directory / "package.json").write_text(json.dumps(package))
    install = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock"]
    subprocess.run(install, cwd=directory, check=True, capture_output=True, timeout=300)
    with Idp(directory) as made:
        yield made


@pytest.fixture(scope="module")
def door(idp: Idp, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    found = httpx.get(f"{idp.issuer}/.well-known/openid-configuration").json()
    with running(tmp_path_factory.mktemp("oidc"), oidc_issuer=found["issuer"], oidc_jwks_url=found["jwks_uri"]) as made:
        settle(made)
        made.done(
            MapExternalId(
                staff_id="guard", external=ExternalId(system="oidc", property_id=COMPANY, external_id="guard@office")
            )
        )
        made.settled()
        yield made


def status(door: System, token: str) -> int:
    with door.http(authorization=f"Bearer {token}") as http:
        return http.get(PAGE).status_code


def test_whoever_signed_in_at_the_provider_comes_in_as_the_person_the_registry_knows(door: System, idp: Idp) -> None:
    assert status(door, idp.signed_in("bailiwick", "sub-1")) == 200
    assert status(door, idp.signed_in("bailiwick", "guard@office")) == 403, "a guard sees his own days alone"
    assert status(door, idp.signed_in("bailiwick", "a stranger")) == 401


def test_a_token_that_is_not_for_us_or_not_now_or_not_theirs_lets_nobody_in(door: System, idp: Idp) -> None:
    good = jwt.decode(idp.signed_in("bailiwick", "sub-1"), options={"verify_signature": False})
    assert status(door, idp.sign(good)) == 200, "the very claims, signed by the very key"
    public = idp.keys[idp.kid].public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    other, now = generate_private_key(65537, 2048), int(time.time())
    wrong = {
        "another client's, as the provider gave it": idp.signed_in("another", "sub-1"),
        "another audience": idp.sign(good | {"aud": "another"}),
        "another issuer": idp.sign(good | {"iss": "http://127.0.0.1:1"}),
        "our own issuer": idp.sign(good | {"iss": "bailiwick", "aud": "bailiwick"}),
        "no algorithm": jwt.encode(good, "", "none", headers={"kid": idp.kid}),
        "the public key as a shared secret": _hs256(good, pem, idp.kid),
        "expired": idp.sign(good | {"exp": now - 90, "iat": now - 900}),
        "not yet valid": idp.sign(good | {"nbf": now + 900}),
        "issued in the future": idp.sign(good | {"iat": now + 900}),
        "without an end": idp.sign({name: value for name, value in good.items() if name != "exp"}),
        "an unknown key": jwt.encode(good, other, "RS256", headers={"kid": "nobody's"}),
        "another key under the id of theirs": jwt.encode(good, other, "RS256", headers={"kid": idp.kid}),
        "a key that it brings along": jwt.encode(
            good,
            other,
            "RS256",
            headers={"jwk": json.loads(jwt.get_algorithm_by_name("RS256").to_jwk(other.public_key()))},
        ),
        "a critical header": idp.sign(good, crit=["exp"]),
    }
    assert {name: status(door, token) for name, token in wrong.items()} == dict.fromkeys(wrong, 401)


def _hs256(claims: dict[str, Any], secret: bytes, kid: str) -> str:
    """Made by hand: libraries refuse to."""
    parts = [json.dumps(one).encode() for one in ({"alg": "HS256", "typ": "JWT", "kid": kid}, claims)]
    text = b".".join(base64.urlsafe_b64encode(one).rstrip(b"=") for one in parts)
    signature = hmac.new(secret, text, hashlib.sha256).digest()
    return (text + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def test_after_a_rotation_the_new_key_is_taken_and_the_old_one_no_more(door: System, idp: Idp) -> None:
    before = idp.signed_in("bailiwick", "sub-1")
    claims = jwt.decode(before, options={"verify_signature": False})
    assert status(door, before) == 200
    idp.stop()
    old, old_kid = idp.keys[idp.kid], idp.kid
    idp.rotate()
    idp.start()
    token = idp.signed_in("bailiwick", "sub-1")
    deadline = time.monotonic() + AGAIN_SECONDS + 10
    while status(door, token) != 200:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert status(door, jwt.encode(claims | {"jti": "fresh"}, old, "RS256", headers={"kid": old_kid})) == 401


def test_while_the_provider_is_away_whoever_is_known_goes_on(door: System, idp: Idp) -> None:
    token = idp.signed_in("bailiwick", "sub-1")
    assert status(door, token) == 200
    idp.stop()
    assert status(door, token) == 200
    idp.start()
