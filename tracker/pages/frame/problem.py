"""What a browser is shown where something cannot be answered."""

from typing import Any
from urllib.parse import quote

from litestar import Request, Response
from litestar.response import Redirect

from tracker.pages.frame.access import SIGN_IN
from tracker.pages.frame.shell import BARE, page_response, render
from tracker.web.problems import Failure

# For a browser that comes from another site the cookie stays away: it is asked to come again, from here.
_COME_AGAIN = (
    '<!doctype html><html lang="en"><meta http-equiv="refresh" content="0"><title>shiptally</title></html>'
)


def problem_page(request: Request[Any, Any, Any], failure: Failure) -> Response[Any]:
    """A failure as a page; where somebody has to sign in, the way there and back."""
    if failure.status == 401:
        if request.headers.get("Sec-Fetch-Site") == "cross-site":
            return page_response(request, _COME_AGAIN)
        query = request.scope["query_string"].decode("latin-1")
        here = request.url.path + (f"?{query}" if query else "")
        following = "" if here == "/" or request.method != "GET" else f"?next={quote(here, safe='')}"
        return Redirect(f"{SIGN_IN}{following}", status_code=303)
    html = render(
        "problem.html",
        BARE,
        title=failure.title,
        detail=failure.detail,
        errors=failure.errors,
        status=failure.status,
    )
    return page_response(request, html, status_code=failure.status, headers=failure.headers)
