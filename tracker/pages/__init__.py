"""The pages: what a browser is shown. They ask as the interface does, and decide nothing that it does not."""

from collections.abc import Sequence

from litestar.handlers import HTTPRouteHandler

from tracker.pages.assets import static_file
from tracker.pages.overview import overview
from tracker.pages.signin import login_link_page, sign_in, sign_in_page, sign_out, use_login_link

PAGES: Sequence[HTTPRouteHandler] = [
    static_file,
    sign_in_page,
    sign_in,
    login_link_page,
    use_login_link,
    sign_out,
    overview,
]
