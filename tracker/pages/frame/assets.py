"""The files that pages refer to, at addresses that change with them."""

from litestar import Response, get
from litestar.params import FromPath

from tracker.errors import NotFound
from tracker.pages.frame.shell import assets

_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_FOR_A_YEAR = "public, max-age=31536000, immutable"


@get("/static/{name:str}", include_in_schema=False, sync_to_thread=False)
def static_file(name: FromPath[str]) -> Response[bytes]:
    """A stylesheet, script or picture of the pages."""
    if name not in assets():
        raise NotFound("There is no such file.")
    headers = {"Cache-Control": _FOR_A_YEAR, "X-Content-Type-Options": "nosniff"}
    return Response(assets()[name], media_type=_TYPES[name.rpartition(".")[2]], headers=headers)
