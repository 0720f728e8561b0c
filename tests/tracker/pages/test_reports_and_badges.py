"""Reports, charts and badges: what leaves the service says the same as the page, and stands alone."""

import re
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope

from metrics.definitions.base import MetricName
from tests.server import Server, run_tracker
from tests.tracker.pages.conftest import monday, record, records, text_of
from tracker.pages.report import read_month
from tracker.web.server import listenable_port

Make = Callable[..., httpx.Client]
PNG = b"\x89PNG\r\n"


@pytest.fixture(scope="module")
def server(sqlite_server: Server) -> Server:
    return sqlite_server


@pytest.fixture
def filled(client: httpx.Client) -> httpx.Client:
    record(client, *records())
    return client


def month() -> str:
    """A month that lies wholly in the records."""
    return f"{monday(9):%Y-%m}"


def test_a_report_stands_alone_and_says_what_the_interface_answers(filled: httpx.Client) -> None:
    answered = filled.get(f"/api/v1/report.html?month={month()}")
    assert answered.headers["Content-Type"].startswith("text/html")
    html = answered.text
    year, number = map(int, month().split("-"))
    end = f"{year + number // 12}-{number % 12 + 1:02}-01"
    rate = filled.get(f"/api/v1/metrics/change_failure_rate?from={month()}-01&to={end}").json()
    words = text_of(html)
    assert f"{rate['denominator']} deployments reached users and {rate['numerator']} needed repair" in words
    # No file of the service's is needed, and nothing runs.
    assert not re.findall(r"<script|<link|\ssrc=|url\((?!#)|@import", html)
    assert "break-before: page" in html
    assert html.count("<svg") >= 5


def test_a_report_is_limited_as_it_is_asked_for(filled: httpx.Client) -> None:
    whole = text_of(filled.get(f"/api/v1/report.html?month={month()}").text)
    part = text_of(filled.get(f"/api/v1/report.html?month={month()}&team=checkout").text)
    assert "team checkout" in part
    assert (
        whole.partition(" deployments reached")[0].split()[-1]
        != part.partition(" deployments reached")[0].split()[-1]
    )


@pytest.mark.parametrize(
    "query",
    [
        "month=2026-13",
        "month=2026",
        "month=June",
        "month=9999-12",
        "month=0001-01",
        "tz=Nowhere/At",
        "color=red",
    ],
)
def test_a_wrong_report_is_refused(client: httpx.Client, query: str) -> None:
    answered = client.get(f"/api/v1/report.html?{query}")
    assert answered.status_code == 400
    assert answered.json()["errors"]


def test_the_last_whole_month_is_the_zones() -> None:
    moment = datetime(2026, 6, 30, 23, 30, tzinfo=UTC)
    for zone, month in (("UTC", 5), ("Europe/Berlin", 6), ("America/New_York", 5)):
        assert read_month(None, moment, ZoneInfo(zone)) == date(2026, month, 1)
    assert read_month("2026-02", moment, ZoneInfo("UTC")) == date(2026, 2, 1)


def test_the_page_of_a_report_leads_to_the_months_around_it(filled: httpx.Client, signed_in: Make) -> None:
    html = signed_in().get(f"/report?month={month()}").text
    assert f'href="/api/v1/report.html?month={month()}"' in html
    assert 'rel="prev"' in html
    assert filled.get("/api/v1/report.html").status_code == 200


class Mailbox:
    """A mail server on loopback that keeps what it is given."""

    def __init__(self) -> None:
        self.kept: list[EmailMessage] = []
        self.arrived = threading.Event()

    async def handle_DATA(self, *given: Any) -> str:  # noqa: N802
        envelope: Envelope = given[2]
        assert isinstance(envelope.content, bytes)
        found = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(found, EmailMessage)
        self.kept.append(found)
        self.arrived.set()
        return "250 Message accepted"


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    box = Mailbox()
    port = listenable_port("127.0.0.1", 0)
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield box, port
    finally:
        controller.stop()


def test_a_report_is_written_and_mailed(
    filled: httpx.Client, server: Server, organization: str, mailbox: tuple[Mailbox, int]
) -> None:
    box, port = mailbox
    assert filled.get("/api/v1/metrics").is_success
    smtp = {
        "TRACKER_SMTP_HOST": "127.0.0.1", "TRACKER_SMTP_PORT": str(port), "TRACKER_SMTP_SECURITY": "none",
        "TRACKER_SMTP_FROM": "tracker@example.com",
    }  # fmt: skip
    arguments = ["report", "--org", organization, "--month", month()]
    written = run_tracker(
        server.folder,
        *arguments,
        "-o",
        f"{organization}.html",
        "--mail",
        "lead@example.com",
        **server.environment,
        **smtp,
    )
    assert written.returncode == 0, written.stderr
    assert box.arrived.wait(10)
    (message,) = box.kept
    assert (message["To"], message["From"]) == ("lead@example.com", "tracker@example.com")
    (attached,) = message.iter_attachments()
    assert attached.get_filename() == f"{organization}-{month()}.html"
    file = (server.folder / f"{organization}.html").read_text()
    assert attached.get_content().splitlines() == file.rstrip("\n").splitlines()
    assert "needed repair" in file
    refused = run_tracker(server.folder, *arguments, "--mail", "lead@example.com", **server.environment)
    assert (refused.returncode, "TRACKER_SMTP_HOST" in refused.stderr) == (1, True)
    smtp["TRACKER_SMTP_PORT"] = "1"
    away = run_tracker(server.folder, *arguments, "--mail", "lead@example.com", **server.environment, **smtp)
    assert (away.returncode, "did not take it" in away.stderr) == (1, True)


@pytest.mark.parametrize("name", list(MetricName))
def test_a_chart_of_each_metric_is_a_picture(filled: httpx.Client, name: MetricName) -> None:
    drawn = filled.get(f"/api/v1/charts/{name}.svg?last=13w")
    assert drawn.headers["Content-Type"].startswith("image/svg+xml")
    assert drawn.text.startswith("<svg")
    assert "by week" in drawn.text
    dark = filled.get(f"/api/v1/charts/{name}.svg?last=13w&theme=dark").text
    assert dark != drawn.text
    assert filled.get(f"/api/v1/charts/{name}.png?last=13w&group_by=team").content.startswith(PNG)
    assert filled.get(f"/api/v1/charts/{name}.svg?last=13w").text == drawn.text


@pytest.mark.parametrize(
    ("path", "status"),
    [("luck.svg", 404), ("lead_time_for_changes.gif", 404), ("lead_time_for_changes", 404),
     ("lead_time_for_changes.svg?theme=pink", 400), ("lead_time_for_changes.svg?colour=red", 400)],
)  # fmt: skip
def test_what_is_no_chart_is_refused(client: httpx.Client, path: str, status: int) -> None:
    assert client.get(f"/api/v1/charts/{path}").status_code == status


def test_the_command_line_draws_what_the_interface_draws(
    filled: httpx.Client, server: Server, organization: str
) -> None:
    path = f"{organization}.svg"
    done = server.run(
        "metrics", "chart", "change_failure_rate", "--org", organization, "--last", "13w", "-o", path
    )
    assert done.returncode == 0, done.stderr
    drawn = filled.get("/api/v1/charts/change_failure_rate.svg?last=13w").text
    assert (server.folder / path).read_text() == drawn
    wrong = server.run("metrics", "chart", "change_failure_rate", "--org", organization, "-o", "chart.gif")
    assert (wrong.returncode, ".svg or .png" in wrong.stderr) == (2, True)


def test_a_badge_shows_one_figure_to_whoever_has_its_link_until_it_is_withdrawn(
    filled: httpx.Client, server: Server
) -> None:
    asked = {"metric": "change_failure_rate", "parameters": {"last": "13w", "team": ["checkout"]}}
    made = filled.post("/api/v1/badges", json=asked)
    assert made.status_code == 201, made.text
    badge = made.json()
    value = filled.get("/api/v1/metrics/change_failure_rate?last=13w&team=checkout").json()["value"]
    said = f"{value:.1%}".replace("%", "\u202f%")
    with server.client() as anybody:
        shield = anybody.get(badge["json_url"]).json()
        assert (shield["schemaVersion"], shield["label"], shield["message"]) == (
            1,
            "change failure rate",
            said,
        )
        drawn = anybody.get(badge["svg_url"])
        assert drawn.headers["Content-Type"].startswith("image/svg+xml")
        assert said in drawn.text
        assert [one["id"] for one in filled.get("/api/v1/badges").json()["items"]] == [badge["id"]]
        assert filled.delete(f"/api/v1/badges/{badge['id']}").status_code == 204
        assert anybody.get(badge["svg_url"]).status_code == 404
        assert anybody.get(f"/badges/{'0' * 32}.svg").status_code == 404


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"metric": "luck"}, "/metric"),
        ({"metric": "deployment_frequency", "parameters": {"last": "13x"}}, "/parameters/last"),
        ({"metric": "deployment_frequency", "parameters": {"colour": "red"}}, "/parameters"),
        ({"metric": "deployment_frequency", "parameters": {"group_by": "team"}}, "/parameters"),
        ({"metric": "deployment_frequency", "parameters": {"from": "1990-01-01"}}, "/parameters"),
        ({"metric": "deployment_frequency", "parameters": {"last": 13}}, "/parameters/last"),
    ],
)
def test_a_wrong_badge_is_refused(client: httpx.Client, body: dict[str, Any], pointer: str) -> None:
    answered = client.post("/api/v1/badges", json=body)
    assert answered.status_code == 400
    assert any(error["pointer"].startswith(pointer) for error in answered.json()["errors"])


def test_a_badge_reaches_as_far_as_the_token_that_made_it(
    filled: httpx.Client, client_with: Callable[..., httpx.Client], server: Server
) -> None:
    limited = client_with("admin", "acme/api")
    asked = {"metric": "deployment_frequency", "parameters": {"last": "13w"}}
    badge = limited.post("/api/v1/badges", json=asked).json()
    value = filled.get("/api/v1/metrics/deployment_frequency?last=13w&repository=acme/api").json()["value"]
    with server.client() as anybody:
        assert anybody.get(badge["json_url"]).json()["message"] == f"{value:.2f} a day"
    everything = filled.post("/api/v1/badges", json=asked).json()["id"]
    assert [one["id"] for one in limited.get("/api/v1/badges").json()["items"]] == [badge["id"]]
    assert limited.delete(f"/api/v1/badges/{everything}").status_code == 404


def test_the_interface_is_documented_from_its_own_files(server: Server) -> None:
    with server.client() as anybody:
        html = anybody.get("/docs").text
        for path in anybody.get("/schema/openapi.json").json()["paths"]:
            assert f"<code>{path}</code>" in html
        page = anybody.get("/docs/metrics/change_failure_rate.md").text
        assert "<h1" in page
        for name in re.findall(r'href="(/docs/[\w./-]+\.md)"', html):
            assert anybody.get(name).status_code == 200
        for wrong in (
            "/docs/nothing.md",
            "/docs/../pyproject.toml",
            "/docs/%2e%2e/README.md",
            "/docs/metrics/..%2fapi.md",
        ):
            assert anybody.get(wrong).status_code == 404
