"""Answers, explanations and records as tables: the figures of the JSON, in columns that keep their type."""

import csv
import io
from collections.abc import Callable, Iterator

import httpx
import polars as pl
import pytest

from metrics.wire.cursors import write_cursor
from tests.server import Server, as_recorded, deployment, ndjson

METRICS = "/api/v1/metrics"
EXPORT = "/api/v1/deployments/export"
WINDOW = "from=2026-03-01&to=2026-04-01"
MEDIA_TYPES = {
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.stream",
}


@pytest.fixture(scope="module")
def server(sqlite_server: Server) -> Server:
    return sqlite_server


@pytest.fixture
def client(client_with: Callable[..., httpx.Client]) -> Iterator[httpx.Client]:
    client = client_with()
    for day in range(2, 6):
        fields = {"finished_at": f"2026-03-0{day}T10:00:00Z", "deployment_node_id": f"run/{day}"}
        if day == 4:
            fields |= {"is_hotfix": True, "labels": {"region": "eu"}, "team": 'a "team", of two'}
        if day == 5:
            fields |= {"commits": [{"sha": "b" * 40, "committed_at": "2026-03-05T09:00:00Z"}]}
        client.post("/api/v1/deployments", json=deployment(commit_id=f"{day}a" * 20, **fields))
    client.post("/api/v1/deployments", json=deployment(commit_id="f" * 40, status="in_progress"))
    return client


def read(answered: httpx.Response) -> pl.DataFrame:
    assert answered.status_code == 200, answered.text
    match answered.headers["Content-Type"].partition(";")[0]:
        case "text/csv":
            return pl.read_csv(io.BytesIO(answered.content))
        case "application/vnd.apache.parquet":
            return pl.read_parquet(io.BytesIO(answered.content))
        case "application/vnd.apache.arrow.stream":
            return pl.read_ipc_stream(io.BytesIO(answered.content))
    raise AssertionError(answered.headers)


@pytest.mark.parametrize("name", MEDIA_TYPES)
def test_a_metric_is_a_table_by_format_or_accept(client: httpx.Client, name: str) -> None:
    url = f"{METRICS}/change_failure_rate?{WINDOW}"
    told = client.get(url).json()
    by_format = client.get(f"{url}&format={name}")
    by_accept = client.get(url, headers={"Accept": f"text/html;q=0.1, {MEDIA_TYPES[name]}"})
    assert by_format.content == by_accept.content
    (row,) = read(by_format).to_dicts()
    low, high = told["interval95"]
    assert (row["value"], row["numerator"], row["denominator"]) == (told["value"], 1, 4)
    assert (row["by_hotfix"], row["interval95_low"], row["interval95_high"]) == (1, low, high)
    assert (row["level"], row["score"]) == (told["level"]["level"], told["score"]["score"])


def test_a_series_by_group_is_a_row_each(client: httpx.Client) -> None:
    url = f"{METRICS}/deployment_frequency?{WINDOW}&interval=week&group_by=team"
    groups = client.get(url).json()["groups"]
    frame = read(client.get(f"{url}&format=parquet"))
    assert frame.height == sum(len(group["series"]) for group in groups) == 12
    for group in groups:
        mine = frame.filter(pl.col("team").eq_missing(pl.lit(group["team"])))
        assert mine["deployments"].to_list() == [point["deployments"] for point in group["series"]]
        assert mine["partial"].to_list() == [point["partial"] for point in group["series"]]


def test_the_summary_is_one_table_and_its_types_do_not_hang_on_the_values(client: httpx.Client) -> None:
    full = read(client.get(f"{METRICS}?{WINDOW}&format=arrow"))
    empty = read(client.get(f"{METRICS}?from=2020-01-01&to=2020-02-01&format=arrow"))
    assert full["metric"].to_list() == list(client.get(METRICS).json()["metrics"])
    assert full.schema == empty.schema
    assert empty["reason"].to_list() == [None, *["no_deployments"] * 4]


def test_json_is_what_everybody_else_gets(client: httpx.Client) -> None:
    for accept in ("*/*", "application/json", "text/html,application/xhtml+xml,*/*;q=0.8", "image/png", ""):
        answered = client.get(METRICS, headers={"Accept": accept})
        assert answered.headers["Content-Type"] == "application/json", accept
    wrong = client.get(f"{METRICS}?format=xml")
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (400, "format")


def test_an_explanation_says_what_made_the_number(client: httpx.Client) -> None:
    url = f"{METRICS}/change_failure_rate/explain?{WINDOW}"
    explained = client.get(url).json()
    assert explained["answer"] == client.get(f"{METRICS}/change_failure_rate?{WINDOW}").json()
    failed = [row for row in explained["counted"] if row["in_numerator"]]
    (cause,) = failed[0]["causes"]
    assert (failed[0]["deployment_node_id"], cause["method"], cause["signals"]) == (
        "run/3", "predecessor", ["hotfix"],
    )  # fmt: skip
    assert client.get(f"/api/v1/deployments/{cause['id']}").json()["deployment_node_id"] == "run/4"
    assert explained["totals"] == [
        {"kind": "deployment", "reason": None, "rows": 4},
        {"kind": "deployment", "reason": "in_progress", "rows": 1},
    ]
    assert [row["reason"] for row in explained["left_out"]] == ["in_progress"]
    assert "asked_deployments($question" in explained["sql"]["answer"]
    only = client.get(f"{url}&left_out=true").json()
    assert (only["counted"], only["left_out"]) == ([], explained["left_out"])


@pytest.mark.parametrize("name", MEDIA_TYPES)
def test_an_explanation_is_a_table_page_by_page(client: httpx.Client, name: str) -> None:
    url = f"{METRICS}/change_failure_rate/explain?{WINDOW}&format={name}&limit=3"
    first = client.get(url)
    second = client.get(f"{url}&cursor={first.headers['Next-Cursor']}")
    assert "Next-Cursor" not in second.headers
    whole = read(first)["id"].to_list() + read(second)["id"].to_list()
    assert len(set(whole)) == len(whole) == 5


@pytest.mark.usefixtures("client")
def test_an_explanation_keeps_to_what_the_token_may_see(client_with: Callable[..., httpx.Client]) -> None:
    hidden = client_with("metrics:read", "acme/other")
    explained = hidden.get(f"{METRICS}/change_failure_rate/explain?{WINDOW}").json()
    assert (explained["counted"], explained["left_out"]) == ([], [])
    assert hidden.get(f"{METRICS}/velocity/explain").status_code == 404
    assert client_with("deployments:write").get(f"{METRICS}/change_failure_rate/explain").status_code == 403


def test_an_explanation_tells_nothing_of_repositories_that_a_token_does_not_reach(
    client_with: Callable[..., httpx.Client],
) -> None:
    admin, limited = client_with(), client_with("metrics:read", "acme/shop")
    other, at = "https://github.com/acme/secret", "2026-03-02T{:02}:00:00Z".format
    ours = admin.post("/api/v1/deployments", json=deployment(finished_at=at(9))).json()
    foreign = deployment(finished_at=at(10), repository_url=other, remediates=ours["id"])
    hidden = [
        admin.post("/api/v1/deployments", json=foreign).json()["id"],
        admin.post(
            "/api/v1/incidents",
            json={"started_at": at(11), "repository_url": other, "deployment": ours["id"]},
        ).json()["id"],
    ]
    named = deployment(finished_at=at(12), commit_id="b" * 40, remediates=hidden[0])
    admin.post("/api/v1/deployments", json=named)
    for name in ("change_failure_rate", "mean_time_to_recover", "deployment_rework_rate"):
        url = f"{METRICS}/{name}/explain?{WINDOW}"
        told, everything = limited.get(url).text, admin.get(url).text
        assert not any(record in told for record in hidden), name
        assert any(record in everything for record in hidden), name
    failed = limited.get(f"{METRICS}/change_failure_rate/explain?{WINDOW}").json()["counted"][0]
    assert [(cause["kind"], cause["id"], cause["happened_at"]) for cause in failed["causes"]] == [
        ("remediation", None, None), ("incident", None, None),
    ]  # fmt: skip


def test_pages_of_an_explanation_are_of_one_window(client: httpx.Client) -> None:
    url = f"{METRICS}/change_failure_rate/explain?from=2026-03-01&limit=3"
    first = client.get(url).json()
    second = client.get(f"{url}&cursor={first['next_cursor']}").json()
    assert second["answer"]["to"] == first["answer"]["to"]
    assert len(first["counted"] + second["counted"]) == 4
    ends = (2**62, -(2**62), -62_135_000_000_000_000)
    forged = [write_cursor([0, end, "change_failure_rate", 0, 0, "", "", ""]) for end in ends]
    for other in (f"{METRICS}/deployment_frequency/explain?from=2026-03-01", f"{url}&to=2026-04-01"):
        for cursor in (first["next_cursor"], *forged):
            refused = client.get(f"{other}&cursor={cursor}")
            assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "cursor")


@pytest.mark.parametrize("name", MEDIA_TYPES)
def test_deployments_are_exported_as_a_table(client: httpx.Client, name: str) -> None:
    frame = read(client.get(f"{EXPORT}?format={name}"))
    listed = client.get("/api/v1/deployments").json()["items"]
    assert frame["id"].to_list() == [one["id"] for one in reversed(listed)]
    assert set(frame.columns) == set(as_recorded(listed[0]))
    assert frame["team"].to_list()[2] == 'a "team", of two'
    only = read(client.get(f"{EXPORT}?format={name}&status=in_progress"))
    assert only["status"].to_list() == ["in_progress"]


def test_deployments_are_exported_as_json(client: httpx.Client) -> None:
    listed = client.get("/api/v1/deployments").json()["items"]
    assert client.get(EXPORT).json() == {"items": [as_recorded(one) for one in reversed(listed)]}
    assert client.get(f"{EXPORT}?branch=nowhere").json() == {"items": []}


def test_an_export_asks_for_a_scope_and_keeps_to_the_repositories(
    client_with: Callable[..., httpx.Client], client: httpx.Client
) -> None:
    assert client_with("metrics:read").get(EXPORT).status_code == 403
    assert client_with("deployments:read", "acme/other").get(EXPORT).json() == {"items": []}
    assert client.get(f"{EXPORT}?limit=3").status_code == 400


def test_a_table_of_many_rows_is_whole_in_each_format(client_with: Callable[..., httpx.Client]) -> None:
    """More than one batch of rows."""
    client, many = client_with(), 12_000
    lines = ndjson(
        *(
            deployment(version=f"v{n}", commit_id=None, finished_at="2026-03-02T10:00:00Z")
            for n in range(many)
        )
    )
    assert client.post("/api/v1/deployments/batch", content=lines).json()["recorded"] == many
    for name in MEDIA_TYPES:
        assert read(client.get(f"{EXPORT}?format={name}"))["version"].n_unique() == many
    text = client.get(f"{EXPORT}?format=csv").text
    assert len(list(csv.reader(io.StringIO(text)))) == many + 1


def test_the_command_line_explains_and_exports(
    server: Server, client: httpx.Client, organization: str
) -> None:
    asked = ["--org", organization, "--from", "2026-03-01", "--to", "2026-04-01"]
    shown = server.run("metrics", "explain", "change_failure_rate", *asked)
    assert shown.returncode == 0, shown.stderr
    assert "in progress" in shown.stdout
    assert "(predecessor)" in shown.stdout
    told = server.run("metrics", "explain", "change_failure_rate", "--json", *asked)
    assert told.stdout.count('"deployment_node_id"') == 5
    for name in MEDIA_TYPES:
        written = server.run("export", "--org", organization, "-o", f"records.{name}")
        assert written.returncode == 0, written.stderr
        exported = read(client.get(f"{EXPORT}?format={name}"))
        content = (server.folder / f"records.{name}").read_bytes()
        assert read(httpx.Response(200, content=content, headers={"Content-Type": MEDIA_TYPES[name]})).equals(
            exported
        )
    client.post("/api/v1/incidents", json={"started_at": "2026-03-02T10:00:00Z", "title": "Down"})
    server.run("export", "--org", organization, "--incidents", "-o", "incidents.parquet")
    assert pl.read_parquet(server.folder / "incidents.parquet")["title"].to_list() == ["Down"]
    refused = server.run("export", "--org", organization, "--incidents")
    assert (refused.returncode, "NDJSON holds the incidents anyway" in refused.stderr) == (2, True)
