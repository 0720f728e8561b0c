"""A library over a service: its figures, and its rows at one revision, kept until there is something new."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import polars as pl
import pyarrow as pa

from metrics.domain.errors import ParameterError, RecordsUnavailable
from metrics.library.frames import Library
from metrics.library.parameters import named_parameters
from metrics.wire.checkpoints import HEADER, KEPT_HEADER

if TYPE_CHECKING:
    from metrics.output.charts import Chart

TOKEN = "TRACKER_TOKEN"
"""The environment variable that holds a token where none is given."""
_ARROW = "application/vnd.apache.arrow.stream"
_SECONDS = 300.0
_ROWS_A_PAGE = 10_000
# What is recorded between two views that are read has the first one read again.
_MOST_READINGS = 5


@dataclass(frozen=True, slots=True)
class _Kept:
    """A view as it was answered last."""

    tag: str
    checkpoints: str
    revision: int
    table: pa.Table


class RemoteLibrary(Library):
    """Answers with what a service answers."""

    def __init__(self, url: str, token: str | None) -> None:
        """`token` is one with the scope `metrics:read`; else that of the environment, `TRACKER_TOKEN`.

        Raises `RecordsUnavailable` where there is none.
        """
        token = token or os.environ.get(TOKEN)
        if not token:
            raise RecordsUnavailable(f"a service wants a token: give token=…, or set {TOKEN}")
        headers = {"Authorization": f"Bearer {token}"}
        self._client = httpx.Client(base_url=url.rstrip("/") + "/api/v1/", headers=headers, timeout=_SECONDS)
        self._kept: dict[str, _Kept] = {}

    def close(self) -> None:
        self._client.close()

    def _metric(self, metric: str, given: Mapping[str, Any]) -> pl.DataFrame:
        return self._frame(f"metrics/{metric}", given)

    def _chart(self, metric: str, given: Mapping[str, Any]) -> "Chart":
        import altair  # For charts alone.

        return altair.Chart.from_dict(self._get(f"charts/{metric}.json", _texts(given)).json())

    def _explanation(self, metric: str, given: Mapping[str, Any]) -> pl.DataFrame:
        page = {**_texts(given), "limit": _ROWS_A_PAGE}
        frames = []
        while True:
            response = self._get(f"metrics/{metric}/explain", page, Accept=_ARROW)
            frames.append(pl.DataFrame(pl.read_ipc_stream(response.content)))
            if "Next-Cursor" not in response.headers:
                return pl.concat(frames)
            page["cursor"] = response.headers["Next-Cursor"]

    def _profiles(self, metric: str, given: Mapping[str, Any]) -> pl.DataFrame:
        return self._frame(f"metrics/{metric}/profiles", given)

    def _link(self, records: str, given: Mapping[str, Any]) -> str:
        asked = {"format": "parquet", **_texts(given)}
        response = self._request("POST", f"{records}/export/link", asked, {})
        # Relative, where the service does not know by which address it is reached.
        return str(response.url.join(response.json()["url"]))

    def _views(self, names: Sequence[str]) -> Mapping[str, pa.Table]:
        for _ in range(_MOST_READINGS):
            views = {name: self._view_now(name) for name in names}
            if len({view.revision for view in views.values()}) <= 1:
                return {name: view.table for name, view in views.items()}
        raise RecordsUnavailable("records come in faster than they can be read at one revision; try again")

    def _view_now(self, name: str) -> _Kept:
        kept = self._kept.get(name)
        shown = {} if kept is None else {"If-None-Match": kept.tag, HEADER: kept.checkpoints}
        response = self._get(f"facts/{name}", {}, Accept=_ARROW, **shown)
        if response.status_code == httpx.codes.NOT_MODIFIED:
            assert kept is not None
            return kept
        with pa.ipc.open_stream(response.content) as stream:
            table = stream.read_all()
        # A service of an earlier version sends the whole.
        if kept is not None and (rows := int(response.headers.get(KEPT_HEADER, "0"))):
            table = pa.concat_tables([kept.table.slice(length=rows), table]).combine_chunks()
        revision = int(response.headers["Tracker-Revision"])
        kept = _Kept(response.headers["ETag"], response.headers.get(HEADER, ""), revision, table)
        self._kept[name] = kept
        return kept

    def _frame(self, path: str, given: Mapping[str, Any]) -> pl.DataFrame:
        return pl.DataFrame(pl.read_ipc_stream(self._get(path, _texts(given), Accept=_ARROW).content))

    def _get(self, path: str, parameters: Mapping[str, Any], **headers: str) -> httpx.Response:
        return self._request("GET", path, parameters, headers)

    def _request(
        self, method: str, path: str, parameters: Mapping[str, Any], headers: Mapping[str, str]
    ) -> httpx.Response:
        """An answer that is one. Raises `ParameterError`, `RecordsUnavailable`."""
        try:
            response = self._client.request(method, path, params=parameters, headers=headers)
        except httpx.HTTPError as error:
            raise RecordsUnavailable(f"{self._client.base_url} cannot be asked: {error}") from error
        if response.is_success or response.status_code == httpx.codes.NOT_MODIFIED:
            return response
        kind, _, name = path.partition("/")
        if response.status_code == httpx.codes.NOT_FOUND and kind in ("metrics", "charts"):
            name = name.partition("/")[0].partition(".")[0]
            raise ParameterError([("metric", f"must be one that the service knows: it has no {name!r}")])
        problem = _problem(response)
        if response.status_code == httpx.codes.BAD_REQUEST and problem.get("errors"):
            raise ParameterError((one["pointer"].lstrip("/"), one["detail"]) for one in problem["errors"])
        said = problem.get("detail") or problem.get("title") or response.reason_phrase
        raise RecordsUnavailable(
            f"{response.url.copy_with(query=None)} answers {response.status_code}: {said}"
        )


def _texts(given: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as a query string has them; what is None is not given."""
    return {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in named_parameters(given).items()
        if value is not None
    }


def _problem(response: httpx.Response) -> dict[str, Any]:
    try:
        found = response.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
