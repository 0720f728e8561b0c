"""The key ring: which keys sign and verify tokens. A JSON Web Key Set in a file that only its owner reads."""

import contextlib
import fcntl
import json
import os
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from tracker.settings import Settings, SigningAlgorithm


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


def load_or_create_keys(settings: Settings) -> KeyRing:
    """The key ring that is set; on the first start, a file with one new key, readable by its owner alone.

    Raises `KeyRingError`.
    """
    file = settings.key_ring_file
    if settings.keys is None and not file.exists():
        with contextlib.suppress(FileExistsError):  # Another process was first; its key is the one.
            _write(file, [generate(settings.signing_algorithm)], replace=False)
    return load_keys(settings)


def load_keys(settings: Settings) -> KeyRing:
    """The key ring that is set, from TRACKER_KEYS or from its file. Raises `KeyRingError`."""
    if settings.keys is not None:
        return _read_ring(settings.keys.get_secret_value(), "TRACKER_KEYS")
    return _read_ring(_read_file(settings.key_ring_file), str(settings.key_ring_file))


def rotate(file: Path, algorithm: SigningAlgorithm) -> str:
    """Add a new key, which signs from now on; the others still verify. Returns its `kid`.

    Raises `KeyRingError`.
    """
    key = generate(algorithm)
    _change(file, lambda keys: [*keys, key])
    return str(key["kid"])


def remove(file: Path, key_id: str) -> None:
    """Take a key out: tokens that it has signed are no longer honoured. Raises `KeyRingError`."""
    _change(file, lambda keys: _without(keys, key_id))


def _without(keys: list[dict[str, Any]], key_id: str) -> list[dict[str, Any]]:
    left = [key for key in keys if key.get("kid") != key_id]
    if len(left) == len(keys):
        raise KeyRingError(f"the key ring holds no key {key_id}")
    if not left:
        raise KeyRingError("this is the only key: rotate first, then remove it")
    return left


def _change(file: Path, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    """Change the file, one process after the other."""
    with open(file.with_name(f".{file.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        text = _read_file(file)
        _read_ring(text, str(file))
        _write(file, change(json.loads(text)["keys"]), replace=True)


def _read_file(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise KeyRingError(f"the key ring {file} cannot be read: {error}") from error


def _read_ring(text: str, source: str) -> KeyRing:
    try:
        keys = [_read_key(entry) for entry in json.loads(text)["keys"]]
    except (ValueError, KeyError, TypeError, jwt.PyJWTError) as error:
        raise KeyRingError(f"{source} is no usable key ring (a JSON Web Key Set): {error}") from error
    if not keys:
        raise KeyRingError(f"{source} holds no key")
    for key in keys:
        if sum(other.key_id == key.key_id for other in keys) > 1:
            raise KeyRingError(f"{source} holds more than one key {key.key_id}: tokens could be of either")
        if reason := _unfit(key):
            raise KeyRingError(f"{source}: the key {key.key_id} {reason}")
    return KeyRing({key.key_id: key for key in keys})


_FEWEST_RSA_BITS, _FEWEST_SECRET_BYTES = 2_048, 32


def _unfit(key: Key) -> str:
    """Why a key is too weak, or not meant, to sign tokens with; nothing where it is fit."""
    if key.verifying.public_key_use not in (None, "sig"):
        return "is not for signing, by its use"
    # RFC 7518, sections 3.2 and 3.3.
    material = key.verifying.key
    if isinstance(material, rsa.RSAPublicKey) and material.key_size < _FEWEST_RSA_BITS:
        return f"has {material.key_size} bits: RSA needs {_FEWEST_RSA_BITS}"
    if isinstance(material, bytes) and len(material) < _FEWEST_SECRET_BYTES:
        return f"has {len(material)} bytes: HS256 needs {_FEWEST_SECRET_BYTES}"
    return ""


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


def _write(file: Path, keys: list[dict[str, Any]], *, replace: bool) -> None:
    """Write the file whole or not at all. Raises `FileExistsError` where it must not be replaced."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as stream:
            json.dump({"keys": keys}, stream, indent=2)
            stream.flush()
            os.fsync(stream.fileno())
        if replace:
            os.replace(draft, file)
        else:
            os.link(draft, file)
    finally:
        draft.unlink(missing_ok=True)


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
