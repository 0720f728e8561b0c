"""What is missing in the records, repository by repository, and what was posted and refused."""

from dataclasses import dataclass

from litestar import Response, get
from litestar.response import Redirect

from tracker.audit.quality import QualityAnswer, quality_of
from tracker.auth.tokens import Scope
from tracker.pages.frame.access import PAGE, signed_in
from tracker.pages.frame.asking import Asked
from tracker.pages.frame.controls import Controls, controls_of
from tracker.pages.frame.live import live_page
from tracker.web.paging import CallerRequest
from tracker.web.state import Service


@dataclass(frozen=True, slots=True)
class QualityPage:
    asked: Asked
    controls: Controls
    quality: QualityAnswer


@get(
    "/quality", include_in_schema=False, opt=PAGE, guards=[signed_in(Scope.METRICS_READ)], sync_to_thread=True
)
def quality_page(request: CallerRequest, service: Service) -> Response[bytes] | Redirect:
    """What keeps figures from being complete."""
    return live_page(request, service, "quality", _quality)


def _quality(asked: Asked) -> QualityPage:
    return QualityPage(asked, controls_of(asked), quality_of(asked.service, asked.caller, asked.parameters()))
