"""The key ring: which keys sign and verify tokens. A JSON Web Key Set in a file that only its owner reads."""

import json
import os
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from tracker.settings import SigningAlgorithm


class KeyRingError(Exception):
    """The key file cannot be used; the message says why and names the file."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the ring. `signing` is None where the file holds its public half alone."""

    key_id: str
    algorithm: SigningAlgorithm
    verifying: jwt.PyJWK
    signing: jwt.PyJWK | None


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Keys by `kid`; the last one in the file is the newest and signs."""

    keys: Mapping[str, Key]

    def find(self, key_id: str) -> Key | None:
        return self.keys.get(key_id)

    @property
    def newest(self) -> Key:
        """The key that signs new tokens. Raises `KeyRingError` where no private key is there."""
        for key in reversed(list(self.keys.values())):
            if key.signing is not None:
                return key
        raise KeyRingError("the key ring holds no private key: tokens can be verified but not made")


def load_or_create(file: Path, algorithm: SigningAlgorithm) -> KeyRing:
    """The key ring of the file; on the first start, a file with one new key, readable by its owner alone."""
    if not file.exists():
        _create(file, algorithm)
    return load(file)


def load(file: Path) -> KeyRing:
    """Read a key ring. Raises `KeyRingError`."""
    try:
        document = json.loads(file.read_bytes())
        entries = document["keys"]
        keys = [_read_key(entry) for entry in entries]
    except (OSError, ValueError, KeyError, TypeError, jwt.PyJWTError) as error:
        raise KeyRingError(f"{file} is no usable key ring (a JSON Web Key Set): {error}") from error
    if not keys:
        raise KeyRingError(f"{file} holds no key")
    return KeyRing({key.key_id: key for key in keys})


def _read_key(entry: Mapping[str, Any]) -> Key:
    algorithm = SigningAlgorithm(entry["alg"])
    is_private = entry["kty"] == "oct" or "d" in entry
    public = {name: text for name, text in entry.items() if name not in _PRIVATE_MEMBERS}
    return Key(
        key_id=str(entry["kid"]),
        algorithm=algorithm,
        verifying=jwt.PyJWK.from_dict(public, algorithm=algorithm.value),
        signing=jwt.PyJWK.from_dict(dict(entry), algorithm=algorithm.value) if is_private else None,
    )


# RFC 7518, section 6: what a private key has beyond its public half.
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi"})


def _create(file: Path, algorithm: SigningAlgorithm) -> None:
    """Write the file whole or not at all, also when two processes start at the same moment."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as stream:
            json.dump({"keys": [generate(algorithm)]}, stream, indent=2)
            stream.flush()
            os.fsync(stream.fileno())
        os.link(draft, file)
    except FileExistsError:
        pass  # The other process was first; its key is the one.
    finally:
        draft.unlink()


def generate(algorithm: SigningAlgorithm) -> dict[str, Any]:
    """A new private key as a JSON Web Key, with a `kid` that sorts by its time of making."""
    return {
        **_new_key(algorithm),
        "kid": f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(3)}",
        "alg": algorithm.value,
        "use": "sig",
    }


def _new_key(algorithm: SigningAlgorithm) -> dict[str, Any]:
    match algorithm:
        case SigningAlgorithm.HS256:
            secret = urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()
            return {"kty": "oct", "k": secret}
        case SigningAlgorithm.ES256:
            return ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()), as_dict=True)
        case SigningAlgorithm.RS256:
            private_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            return RSAAlgorithm.to_jwk(private_key, as_dict=True)
        case SigningAlgorithm.EDDSA:
            return OKPAlgorithm.to_jwk(ed25519.Ed25519PrivateKey.generate(), as_dict=True)
