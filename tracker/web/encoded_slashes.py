"""Names with a slash in them, as one part of a path: `acme%2Fshop`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import unquote

from litestar.enums import ScopeType

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Receive, Scope, Send

_SLASH = b"%2f"


class EncodedSlashes:
    """Leaves `%2F` as it was sent below some paths: a server decodes it, and routes by what it then is."""

    def __init__(self, app: "ASGIApp", beginnings: Sequence[str]) -> None:
        self._app, self._beginnings = app, tuple(beginnings)

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] == ScopeType.HTTP and scope["path"].startswith(self._beginnings):
            raw = scope.get("raw_path") or b""
            if _SLASH in raw.lower():
                parts = raw.partition(b"?")[0].decode("ascii", "replace").split("/")
                scope["path"] = "/".join(unquote(part).replace("/", "%2F") for part in parts)
        await self._app(scope, receive, send)
