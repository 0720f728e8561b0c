"""The files that pages refer to, at addresses that change with them."""

from litestar import Response, get
from litestar.params import FromPath

from tracker.errors import NotFound
from tracker.pages.shell import asset

_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_FOR_A_YEAR = "public, max-age=31536000, immutable"


@get("/static/{name:str}", include_in_schema=False, sync_to_thread=False)
def static_file(name: FromPath[str]) -> Response[bytes]:
    """A stylesheet, script or picture of the pages."""
    ending = name.rpartition(".")[2]
    if ending not in _TYPES or "/" in name or name.startswith("."):
        raise NotFound(f"There is nothing at /static/{name}.")
    try:
        content = asset(name)
    except FileNotFoundError:
        raise NotFound(f"There is nothing at /static/{name}.") from None
    headers = {"Cache-Control": _FOR_A_YEAR, "X-Content-Type-Options": "nosniff"}
    return Response(content, media_type=_TYPES[ending], headers=headers)
