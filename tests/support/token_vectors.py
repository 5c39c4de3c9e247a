"""Tokens that a gateway must refuse, and some that it must accept: made here, kept in a file.

    python -m support.token_vectors > tests/local/vectors/tokens.json

Each says how the gateway judges it at the time `now`: `valid`, `unauthorized` or `forbidden`; and
for a valid one, whether the router lets it `infer` and `operate`.
"""

import base64
import hashlib
import hmac
import json
import sys
from collections.abc import Iterator
from typing import Any, Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from jwt.algorithms import RSAAlgorithm

NOW: Final = 1_800_000_000
ISSUER: Final = "http://127.0.0.1:8552/pool"
CLIENT_ID: Final = "the-app"
KID: Final = "one"
HEADER: Final[dict[str, Any]] = {"alg": "RS256", "kid": KID}
CLAIMS: Final[dict[str, Any]] = {
    "iss": ISSUER,
    "sub": "somebody",
    "client_id": CLIENT_ID,
    "token_use": "access",
    "scope": "openid aistratus/infer",
    "iat": NOW - 60,
    "exp": NOW + 3540,
}

Vector = dict[str, Any]


class Maker:
    """Signs whatever it is given, with the issuer's key or another."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.other = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def token(self, header: Any = HEADER, claims: Any = CLAIMS, **more: Any) -> str:
        """Header and claims are documents, or texts to be used as they are."""
        signed = f"{encoded(header)}.{encoded(claims)}"
        return f"{signed}.{encoded(self.signature(signed.encode(), **more))}"

    def signature(
        self, signed: bytes, *, key: Any = None, digest: Any = None, pss: bool = False
    ) -> bytes:
        pad: Any = padding.PKCS1v15()
        if pss:
            pad = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        return bytes((key or self.key).sign(signed, pad, digest or hashes.SHA256()))

    def jwk(self, key: rsa.RSAPrivateKey) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(RSAAlgorithm.to_jwk(key.public_key()))
        return {name: found[name] for name in ("kty", "n", "e")}

    def pem(self) -> bytes:
        return self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )


def encoded(content: Any) -> str:
    """Base64url without padding."""
    if not isinstance(content, str | bytes):
        content = json.dumps(content, separators=(",", ":"))
    raw = content.encode() if isinstance(content, str) else content
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def vectors(make: Maker) -> Iterator[Vector]:
    """All vectors."""
    yield from _good(make)
    for name, token in (*_bad_signatures(make), *_bad_shapes(make), *_bad_claims(make)):
        yield {"name": name, "token": token, "gateway": "unauthorized"}
    for name, scope in _SCOPES_OF_NOTHING.items():
        yield {
            "name": f"a scope of nothing: {name}",
            "token": make.token(claims={**CLAIMS, "scope": scope}),
            "gateway": "forbidden",
        }


def _good(make: Maker) -> Iterator[Vector]:
    for name, header, changes, infer, operate in (
        ("as Cognito's", HEADER, {}, True, False),
        ("a type", {**HEADER, "typ": "JWT"}, {}, True, False),
        ("RFC 9068's type", {**HEADER, "typ": "at+jwt"}, {}, True, False),
        ("times with fractions", HEADER, {"exp": NOW + 0.5, "iat": NOW - 0.5}, True, False),
        ("both scopes", HEADER, {"scope": "aistratus/operate aistratus/infer"}, True, True),
        ("spaces between", HEADER, {"scope": "  aistratus/operate  "}, False, True),
        (
            "a name with a no-break space",
            HEADER,
            {"scope": "aistratus/infer x\u00a0aistratus/operate"},
            True,
            False,
        ),
        (
            "a name with a line's end",
            HEADER,
            {"scope": "aistratus/infer x\naistratus/operate"},
            True,
            False,
        ),
        ("an ID token with scopes", HEADER, {"token_use": "id"}, False, False),
        ("of no use", HEADER, {"token_use": None}, False, False),
        ("an audience and no client", HEADER, {"client_id": None, "aud": CLIENT_ID}, False, False),
        ("one audience of two", HEADER, {"client_id": None, "aud": ["x", CLIENT_ID]}, False, False),
        ("nobody's", HEADER, {"sub": None}, False, False),
        # A key that a token brings along is ignored.
        ("an own key in it", {**HEADER, "jwk": make.jwk(make.other)}, {}, True, False),
    ):
        claims = {n: v for n, v in {**CLAIMS, **changes}.items() if v is not None}
        yield {
            "name": f"good: {name}",
            "token": make.token(header, claims),
            "gateway": "valid",
            "infer": infer,
            "operate": operate,
        }


def _bad_signatures(make: Maker) -> Iterator[tuple[str, str]]:
    good = make.token()
    head, body, signature = good.split(".")
    for name in ("none", "None", "NONE", "nOnE", ""):
        unsigned = f"{encoded({**HEADER, 'alg': name})}.{body}"
        yield f"alg {name!r}, no signature", f"{unsigned}."
        yield f"alg {name!r}, a signature", f"{unsigned}.{signature}"
    yield "signature stripped", f"{head}.{body}."
    yield "signature and dot stripped", f"{head}.{body}"
    yield "signature of zeros", f"{head}.{body}.{encoded(bytes(256))}"
    yield "signature beyond the modulus", f"{head}.{body}.{encoded(bytes([255] * 256))}"
    yield "signature cut", f"{head}.{body}.{signature[:-4]}"
    yield "signature and more", f"{head}.{body}.{signature}AAAA"
    yield "claims changed", f"{head}.{encoded({**CLAIMS, 'sub': 'another'})}.{signature}"
    yield "header changed", f"{encoded({**HEADER, 'x': 1})}.{body}.{signature}"
    yield "another's key", make.token(key=make.other)
    yield (
        "an own key in it, signed with it",
        make.token({**HEADER, "jwk": {**make.jwk(make.other), "kid": KID}}, key=make.other),
    )
    for name in ("jku", "x5u"):
        header = {**HEADER, name: "http://evil.example/keys.json"}
        yield f"keys at {name}", make.token(header, key=make.other)
    yield "a certificate in it", make.token({**HEADER, "x5c": ["MIIB"]}, key=make.other)
    for kid in ("two", "", "../../dev/null", "one\u0000", "ONE", None, 1, ["one"], {"one": 1}):
        yield f"kid {kid!r}", make.token({"alg": "RS256", "kid": kid})
    yield "no kid", make.token({"alg": "RS256"})
    for alg, digest in (("RS384", hashes.SHA384()), ("RS512", hashes.SHA512())):
        yield alg, make.token({**HEADER, "alg": alg}, digest=digest)
    yield "PS256", make.token({**HEADER, "alg": "PS256"}, pss=True)
    yield "PSS under RS256's name", make.token(pss=True)
    yield "SHA-1 under RS256's name", make.token(digest=hashes.SHA1())  # noqa: S303
    for odd in (None, 1, ["RS256"], "rs256", "RS256 ", "RS256\u0000"):
        yield f"alg {odd!r}", make.token({**HEADER, "alg": odd})
    yield "no alg", make.token({"kid": KID})
    for name, secret in (
        ("the public key in PEM", make.pem()),
        ("the public key in PEM, trimmed", make.pem().strip()),
        ("the modulus", make.jwk(make.key)["n"].encode()),
        ("nothing", b""),
    ):
        signed = f"{encoded({**HEADER, 'alg': 'HS256'})}.{body}"
        mac = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
        yield f"HS256 with {name}", f"{signed}.{encoded(mac)}"
    signed = f"{encoded({**HEADER, 'alg': 'ES256'})}.{body}"
    yield "ES256 with r = s = 0", f"{signed}.{encoded(bytes(64))}"
    curve = ec.generate_private_key(ec.SECP256R1())
    made = curve.sign(signed.encode(), ec.ECDSA(hashes.SHA256()))
    yield "ES256 with a key of its own", f"{signed}.{encoded(made)}"


def _bad_shapes(make: Maker) -> Iterator[tuple[str, str]]:
    head, body, signature = make.token().split(".")
    for name, token in {
        "nothing": "",
        "dots": "..",
        "five parts, as encrypted ones have": f"{head}.{body}.{signature}.a.b",
        "a dot behind": f"{head}.{body}.{signature}.",
        "a dot before": f".{head}.{body}.{signature}",
        "no header": f".{body}.{signature}",
        "no claims": f"{head}..{signature}",
        "padding": f"{head}=.{body}.{signature}",
        "padding behind": f"{head}.{body}.{signature}==",
        "a character that base64 skips": f"{head}.{body}.{signature[:9]}!{signature[9:]}",
        "the other base64": f"{head}.{body}.{signature[:-2]}+/",
        "letters of another script": f"{head}.{body}.{signature[:-1]}\u0410",
        "a long one": f"{head}.{body}.{'A' * 12_000}",
        "JSON instead": json.dumps({"protected": head, "payload": body, "signature": signature}),
        "the other spelling of the signature": f"{head}.{body}.{_respelt(signature)}",
    }.items():
        yield f"shape: {name}", token
    for name, header in {
        "a list": "[]",
        "a text": '"RS256"',
        "null": "null",
        "no JSON": "{",
        "alg twice": '{"alg":"none","alg":"RS256","kid":"one"}',
        "kid twice": '{"alg":"RS256","kid":"two","kid":"one"}',
        "bytes": b"\xff\xfe",
        "another encoding": '{"alg":"RS256","kid":"one"}'.encode("utf-16"),
        "a mark before": b'\xef\xbb\xbf{"alg":"RS256","kid":"one"}',
        "crit": {**HEADER, "crit": ["exp"], "exp": NOW + 60},
        "crit of nothing": {**HEADER, "crit": []},
        "unencoded": {**HEADER, "b64": False, "crit": ["b64"]},
        "unencoded, not critical": {**HEADER, "b64": False},
        "another type": {**HEADER, "typ": "JWE"},
        "a type that is none": {**HEADER, "typ": 1},
        "a logout token": {**HEADER, "typ": "logout+jwt"},
    }.items():
        yield f"header: {name}", make.token(header)
    for name, claims in {
        "a list": "[]",
        "no JSON": "x",
        "exp twice": json.dumps(CLAIMS)[:-1] + f',"exp":{NOW + 9999}}}',
        "sub twice": json.dumps(CLAIMS)[:-1] + ',"sub":"another"}',
        "NaN": json.dumps({**CLAIMS, "exp": float("nan")}),
        "Infinity": json.dumps({**CLAIMS, "exp": float("inf")}),
        "a number beyond all bounds": json.dumps(CLAIMS)[:-1].replace(str(NOW + 3540), "1e999")
        + "}",
        "a number of 5,000 digits": json.dumps(CLAIMS)[:-1] + f',"x":{"9" * 5000}}}',
        "nested deeply": json.dumps(CLAIMS)[:-1] + f',"x":{"[" * 3000}{"]" * 3000}}}',
        "a mark before": b"\xef\xbb\xbf" + json.dumps(CLAIMS).encode(),
    }.items():
        yield f"claims: {name}", make.token(claims=claims)


def _bad_claims(make: Maker) -> Iterator[tuple[str, str]]:
    late, early = NOW + 600, NOW - 600
    changes: dict[str, list[Any]] = {
        "iss": ["", "http://127.0.0.1:8552/other", f"{ISSUER}/", [ISSUER], 1, True, {}],
        "exp": [str(late), True, [late], {}, NOW, early, 0, -1],
        "nbf": [True, False, str(early), [early], late, NOW + 1],
        "iat": [True, str(early), [early], late, NOW + 1],
        "client_id": ["", "another", [[CLIENT_ID]], {CLIENT_ID: 1}, 1, True, [1, CLIENT_ID]],
        "aud": ["another", ["another"], [], [[]], 1, {}, [CLIENT_ID, 1]],
        "scope": [
            ["aistratus/infer"],
            ["x aistratus/operate y", "aistratus/infer"],
            [["aistratus/infer"]],
            [{}],
            {"aistratus/infer": 1},
            1,
            True,
        ],
    }
    for name, values in changes.items():
        for value in values:
            yield f"{name} is {json.dumps(value)}", make.token(claims={**CLAIMS, name: value})
    for name in ("iss", "exp"):
        left = {n: v for n, v in CLAIMS.items() if n != name}
        yield f"no {name}", make.token(claims=left)
        yield f"{name} is null", make.token(claims={**CLAIMS, name: None})


_SCOPES_OF_NOTHING: Final = {
    "no text": "",
    "another": "openid aistratus/inference",
    "in capitals": "AISTRATUS/INFER",
    "a no-break space": "openid\u00a0aistratus/infer",
    "a line's end": "openid\naistratus/infer",
    "a tab": "openid\taistratus/infer",
    "a comma": "openid,aistratus/infer",
    "a list as text": "[aistratus/infer]",
    "a mark before": "\ufeffaistratus/infer",
}


def _respelt(part: str) -> str:
    """The same bytes, if the reader drops the surplus bits of the last character."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return part[:-1] + alphabet[alphabet.index(part[-1]) + 1]


def main() -> None:
    make = Maker()
    keys = [{**make.jwk(make.key), "kid": KID, "alg": "RS256", "use": "sig"}]
    document = {
        "now": NOW,
        "issuer": ISSUER,
        "client_id": CLIENT_ID,
        "keys": keys,
        "vectors": list(vectors(make)),
    }
    sys.stdout.write(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
