"""The guides of the documentation as pages, from the installation's own files."""

import re
from functools import cache
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

from litestar import Response, get
from litestar.params import FromPath
from markdown_it import MarkdownIt
from markupsafe import Markup

from tracker.errors import NotFound
from tracker.pages.frame.access import PAGE
from tracker.pages.frame.shell import BARE, page_response, render
from tracker.web.paging import CallerRequest

_NAME = re.compile(r"(?:metrics/)?[a-z_-]+\.md", re.ASCII)
_TITLE = re.compile(r"^# (.+)$", re.MULTILINE)


def _folder() -> Path:
    """The guides: inside the wheel, or beside the packages in a checkout."""
    inside = Path(str(files("tracker"))) / "docs"
    return inside if inside.is_dir() else Path(str(files("tracker"))).parent / "docs"


@cache
def guides() -> list[tuple[str, str]]:
    """The guides by file name and title, in the order of their titles."""
    found = [(path.name, _title(path.read_text(encoding="utf-8"))) for path in _folder().glob("*.md")]
    return sorted(found, key=lambda guide: guide[1].casefold())


def _title(text: str) -> str:
    match = _TITLE.search(text)
    return match[1] if match else "Documentation"


@cache
def _rendered(name: str) -> tuple[str, Markup]:
    """A guide's title and content. Raises `NotFound`."""
    path = _folder() / name
    if not _NAME.fullmatch(name) or not path.is_file():
        raise NotFound(f"There is no guide {name}.")
    text = path.read_text(encoding="utf-8")
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(text)
    for token, inline in pairwise(tokens):
        if token.type == "heading_open":
            token.attrSet("id", _anchor(inline.content))
        elif token.type == "table_open":
            token.attrSet("class", "fit")
    return _title(text), Markup(parser.renderer.render(tokens, parser.options, {}))


def _anchor(heading: str) -> str:
    """The anchor of a heading, as links between the guides have it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@get("/docs/{name:path}", include_in_schema=False, opt=PAGE, sync_to_thread=True)
def guide(name: FromPath[str], request: CallerRequest) -> Response[bytes]:
    """A guide. Links between them work as they are: their addresses are their files'."""
    title, content = _rendered(name.strip("/"))
    html = render("guide.html", BARE, title=title, content=content, guides=guides())
    return page_response(request, html)
