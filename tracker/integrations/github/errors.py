"""Failures in the shape that GitHub's clients turn into their own exceptions."""

from litestar import Response

from metrics.domain.errors import InvalidInput
from tracker.errors import Conflict
from tracker.integrations.github.limits import told_headers
from tracker.web.problems import Failure

DOCUMENTATION = "https://docs.github.com/rest/deployments"
_MESSAGES = {401: "Bad credentials", 404: "Not Found", 500: "Server Error"}
_INVALID = 422


def render(failure: Failure, _: str) -> Response[dict[str, object]]:
    """Render a failure in the form of GitHub's API."""
    body: dict[str, object] = {
        "message": _MESSAGES.get(failure.status, failure.detail),
        "documentation_url": DOCUMENTATION,
    }
    status = failure.status
    if failure.code == InvalidInput.code:
        if any("valid JSON" in error.detail for error in failure.errors):
            body["message"] = "Problems parsing JSON"
        else:
            status, body["message"] = _INVALID, "Validation Failed"
            body["errors"] = [
                {
                    "resource": "Deployment",
                    "field": error.pointer.lstrip("/"),
                    "code": "missing_field" if error.detail == "is required" else "invalid",
                    "message": f"{error.pointer.lstrip('/')} {error.detail}".strip(),
                }
                for error in failure.errors
            ]
    elif failure.code == Conflict.code:
        status = _INVALID
    headers = {**failure.headers, **told_headers()}
    return Response(body, status_code=status, media_type="application/json", headers=headers)
