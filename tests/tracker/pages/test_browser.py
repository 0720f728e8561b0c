"""The pages in a real browser: what a person does on them, for everyone, with and without script."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect, sync_playwright

from tests.node import FOLDER, require_package
from tests.server import Server, deployment
from tests.tracker.pages.conftest import SHOP, login_code, monday, record, records, require_chromium

# Chromium as root in a container, kept from asking anybody for anything.
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 360, "height": 780}
ORGANIZATION = "watched"
# A page that is there at once is there later where others use the machine.
expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service with some months of records; an incident of last week is still open."""
    require_chromium()
    with Server(tmp_path_factory.mktemp("site")) as running:
        with running.client(running.token(org=ORGANIZATION)) as client:
            record(client, *records())
            started = (monday(1) + timedelta(days=2, hours=1)).isoformat()
            incident = {
                "title": "Slow answers",
                "severity": "sev2",
                "repository_url": SHOP,
                "started_at": started,
            }
            assert client.post("/api/v1/incidents", json=incident).status_code == 201
            assert client.post("/api/v1/deployments", json=deployment(branch=7)).status_code == 400
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    program = require_chromium()
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield running
        running.close()


@dataclass
class Visit:
    """A browser that has signed in, and what it has complained of."""

    page: Page
    context: BrowserContext
    complaints: list[str] = field(default_factory=list)

    def go(self, path: str) -> None:
        answered = self.page.goto(path)
        assert answered is not None
        assert answered.status == 200, path


Open = Callable[..., Any]


@pytest.fixture
def visit(chromium: Browser, site: Server) -> Open:
    """Opens signed-in browsers. Each ends without an error on its console and a request to another host."""

    @contextmanager
    def open_browser(
        server: Server = site, *, viewport: dict[str, int] = DESKTOP, **options: Any
    ) -> Iterator[Visit]:
        context = chromium.new_context(base_url=server.url, viewport=viewport, locale="en-GB", **options)
        page = context.new_page()
        opened = Visit(page, context)

        def look_at(request: Request) -> None:
            if not request.url.startswith((server.url, "data:", "blob:")):
                opened.complaints.append(f"asked {request.url}")

        page.on("request", look_at)
        page.on("pageerror", lambda error: opened.complaints.append(str(error)))
        page.on(
            "console",
            lambda message: (
                opened.complaints.append(message.text) if message.type in ("error", "warning") else None
            ),
        )
        page.goto(f"/login?code={login_code(server, ORGANIZATION)}")
        page.get_by_role("button", name=f"Sign in to {ORGANIZATION}").click()
        page.wait_for_url("**/")
        yield opened
        assert opened.complaints == []
        context.close()

    return open_browser


def test_somebody_pastes_a_token_looks_and_signs_out(chromium: Browser, site: Server) -> None:
    context = chromium.new_context(base_url=site.url)
    page = context.new_page()
    page.goto("/metric/lead_time_for_changes")
    expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
    page.get_by_label("Token").fill("nonsense")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("malformed")
    page.get_by_label("Token").fill(site.token(org=ORGANIZATION))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Lead time for changes", level=1)).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
    page.goto("/")
    expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
    context.close()


def test_each_control_changes_the_question_and_the_address(visit: Open) -> None:
    with visit() as opened:
        page: Page = opened.page
        lead = page.locator(".lead").first
        before = lead.inner_text()
        page.get_by_role("link", name="4 weeks").click()
        expect(page).to_have_url(re.compile(r"last=4w"))
        expect(lead).not_to_have_text(before)
        page.locator("select[name=team]").select_option("checkout")
        expect(page).to_have_url(re.compile(r"last=4w.*team=checkout"))
        page.locator("select[name=team]").select_option("platform")
        expect(page).to_have_url(re.compile(r"team=checkout.*team=platform"))
        page.locator(".chip", has_text="checkout").click()
        expect(page).to_have_url(re.compile(r"^(?!.*team=checkout).*team=platform"))
        page.locator("select[name=repository]").select_option("acme/api")
        expect(page).to_have_url(re.compile(r"repository=acme%2Fapi"))
        page.locator("select[name=tz]").select_option("Asia/Tokyo")
        expect(page).to_have_url(re.compile(r"tz=Asia%2FTokyo"))
        expect(page.locator("footer")).to_contain_text("Asia/Tokyo")
        page.get_by_role("group", name="Metric of the chart").get_by_role("link", name="Lead time").click()
        expect(page.get_by_role("heading", name="Lead time for changes by week")).to_be_visible()
        shown = page.locator(".cards").inner_text()
        # A link shows somebody else the same.
        page.goto(page.url)
        assert page.locator(".cards").inner_text() == shown
        page.go_back()
        page.get_by_role("link", name="Custom…").click()
        page.get_by_label("From").fill("2026-01-05")
        expect(page).to_have_url(re.compile(r"from=2026-01-05.*&to="))
        page.go_back()
        expect(page).not_to_have_url(re.compile(r"from=2026-01-05"))


def test_from_a_card_to_the_row_behind_it_and_to_its_cause(visit: Open) -> None:
    with visit() as opened:
        page: Page = opened.page
        page.get_by_role("link", name="Change failure rate").click()
        expect(page.get_by_role("heading", name="The rows behind it")).to_be_visible()
        for interval in ("Day", "Month", "Quarter"):
            page.get_by_role("group", name="Interval").get_by_role("link", name=interval).click()
            expect(
                page.get_by_role("heading", name=f"By {interval.lower()}", exact=False).first
            ).to_be_visible()
        page.get_by_role("group", name="Rows").get_by_role("link", name=re.compile("Left out")).click()
        expect(page).to_have_url(re.compile("rows=left_out"))
        page.get_by_role("group", name="Rows").get_by_role("link", name=re.compile("Failed")).click()
        rows = page.locator("section[aria-labelledby=rows]")
        rows.locator("tbody th a").first.click()
        expect(page.get_by_role("heading", name="Why it counts as failed")).to_be_visible()
        page.locator("section[aria-labelledby=why] a").first.click()
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(page.get_by_role("heading", name="History of this record")).to_be_visible()


def test_a_chart_has_its_numbers_as_a_table(visit: Open) -> None:
    with visit() as opened:
        page: Page = opened.page
        page.get_by_text("The same as a table").click()
        table = page.get_by_role("region", name=re.compile("as a table")).get_by_role("table")
        expect(table.get_by_role("row")).to_have_count(14)
        with page.expect_download() as download:
            page.goto("/metric/lead_time_for_changes")
            page.get_by_role("link", name="PNG").click()
        assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")


@pytest.mark.long
def test_a_record_appears_by_itself_and_the_page_outlives_the_service(visit: Open, tmp_path: Path) -> None:
    first = Server(tmp_path)
    port = int(first.url.rpartition(":")[2])
    try:
        with first.client(first.token(org=ORGANIZATION)) as client:
            client.post("/api/v1/deployments", json=deployment()).raise_for_status()
            with visit(first) as opened:
                page: Page = opened.page
                expect(page.locator(".lead").first).to_contain_text("1 deployment reached")
                page.locator("html").evaluate("node => { node.dataset.same = 'yes' }")
                client.post("/api/v1/deployments", json=deployment(commit_id="b" * 40)).raise_for_status()
                expect(page.locator(".lead").first).to_contain_text("2 deployments reached", timeout=20_000)
                first.stop()
                expect(page.get_by_role("status")).to_contain_text("Not following since", timeout=20_000)
                # What the browser says of a service that is away is no fault of the page.
                opened.complaints.clear()
                with Server(tmp_path, port=port) as second:
                    expect(page.get_by_role("status")).to_contain_text("Live", timeout=20_000)
                    with second.client(second.token(org=ORGANIZATION)) as again:
                        again.post(
                            "/api/v1/deployments", json=deployment(commit_id="c" * 40)
                        ).raise_for_status()
                    expect(page.locator(".lead").first).to_contain_text(
                        "3 deployments reached", timeout=20_000
                    )
                    opened.complaints.clear()
                # All that time it was one page, and nobody has loaded it again.
                assert page.locator("html").get_attribute("data-same") == "yes"
                page.goto("about:blank")
                opened.complaints.clear()
    finally:
        first.kill()


def test_a_first_visit_leads_to_the_first_number(visit: Open, tmp_path: Path) -> None:
    with Server(tmp_path) as empty:
        assert empty.run("token", "--org", ORGANIZATION, "--scope", "admin").returncode == 0
        with visit(empty) as opened:
            page: Page = opened.page
            expect(page.get_by_role("heading", name="Nothing recorded yet")).to_be_visible()
            expect(page.locator(".steps")).to_contain_text(f"{empty.url}/api/v1/deployments")
            expect(page.locator(".steps")).to_contain_text(f"tracker token --org {ORGANIZATION}")
            with httpx.Client(headers={"Authorization": f"Bearer {empty.token(org=ORGANIZATION)}"}) as client:
                client.post(f"{empty.url}/api/v1/deployments", json=deployment()).raise_for_status()
            expect(page.get_by_role("heading", name=f"How {ORGANIZATION} ships")).to_be_visible(
                timeout=60_000
            )


def test_nothing_is_missing_without_script(visit: Open) -> None:
    with visit(java_script_enabled=False) as opened:
        page: Page = opened.page
        assert page.locator("figure svg").count() >= 2
        page.get_by_role("link", name="26 weeks").click()
        expect(page).to_have_url(re.compile("last=26w"))
        page.locator("select[name=team]").select_option("checkout")
        page.get_by_role("button", name="Show").click()
        expect(page).to_have_url(re.compile("last=26w.*team=checkout"))
        page.get_by_role("link", name="Deployments", exact=True).click()
        page.get_by_label("Search", exact=True).fill("hotfix")
        page.get_by_role("button", name="Search").click()
        expect(page.locator("#list tbody th a").first).to_contain_text("hotfix")
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()


def test_light_and_dark_are_the_systems_and_the_readers(visit: Open) -> None:
    grounds = {}
    for scheme in ("light", "dark"):
        with visit(color_scheme=scheme) as opened:
            ground = lambda page: page.evaluate("getComputedStyle(document.body).backgroundColor")  # noqa: E731
            grounds[scheme] = ground(opened.page)
            opened.page.get_by_role("button", name="Change between light and dark").click()
            changed = ground(opened.page)
            assert changed != grounds[scheme]
            opened.page.reload()
            assert ground(opened.page) == changed
    assert grounds["light"] != grounds["dark"]


def test_the_keyboard_reaches_everything_and_shows_where_it_is(visit: Open) -> None:
    with visit() as opened:
        page: Page = opened.page
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        page.keyboard.press("Enter")
        seen = set()
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement === document.body"):
                break
            seen.add(page.evaluate("document.activeElement.textContent.trim().slice(0, 30)"))
            outline = page.evaluate(
                "(() => { const at = document.activeElement, of = node => getComputedStyle(node).outlineStyle;"
                " return of(at) !== 'none' || of(at.closest('.card') ?? at) !== 'none' })()"
            )
            assert outline, page.evaluate("document.activeElement.outerHTML")
        assert {"Deployment frequency", "Lead time", "The same as a table"} <= seen


PATHS = [
    "/", "/?groups=all&last=26w&metric=deployment_frequency", "/metric/deployment_frequency", "/metric/mean_time_to_recover",
    "/metric/lead_time_for_changes?rows=left_out", "/deployments", "/incidents", "/repositories", "/quality", "/report",
    "/settings", "/tokens", "/intakes", "/docs", "/docs/metrics.md",
]  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize(
    ("viewport", "scheme"),
    [(DESKTOP, "light"), (PHONE, "dark")],
    ids=["desktop", "phone, dark"],
)
def test_axe_finds_nothing_serious_and_nothing_leaves_the_screen(
    visit: Open, viewport: dict[str, int], scheme: str
) -> None:
    require_package("axe-core")
    axe = (FOLDER / "node_modules" / "axe-core" / "axe.min.js").read_text()
    with visit(viewport=viewport, color_scheme=scheme) as opened:
        page: Page = opened.page
        page.goto("/deployments")
        one = page.locator("#list tbody th a").first.get_attribute("href")
        page.goto("/incidents")
        incident = page.locator("tbody th a").first.get_attribute("href")
        page.goto("/repositories")
        repository = page.locator("section[aria-labelledby=known] tbody td a").last.get_attribute("href")
        for path in [*PATHS, one, incident, repository]:
            opened.go(path)
            # By the debugger, as a policy that lets no other script run does not stop that.
            page.evaluate(axe)
            found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
            serious = [
                (violation["id"], [node["html"][:160] for node in violation["nodes"][:3]])
                for violation in found["violations"]
                if violation["impact"] in ("serious", "critical")
            ]
            assert serious == [], path
            assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"], path


@pytest.mark.parametrize("width", [480, 768, 1130, 1280, 1920])
def test_pages_fit_every_width(visit: Open, width: int) -> None:
    with visit(viewport={"width": width, "height": 900}) as opened:
        for path in ("/", "/metric/change_failure_rate", "/deployments", "/tokens"):
            opened.go(path)
            assert opened.page.evaluate("document.documentElement.scrollWidth") <= width, path
            # Nothing of the frame is cut off: what a person needs to get away is there.
            box = opened.page.get_by_role("button", name="Sign out").bounding_box()
            assert box is not None
            assert box["x"] + box["width"] <= width, path


def test_a_report_prints_on_two_pages(visit: Open) -> None:
    with visit() as opened:
        opened.go(f"/report?month={monday(9):%Y-%m}")
        printed = opened.page.pdf(format="A4", prefer_css_page_size=True)
        assert len(re.findall(rb"/Type\s*/Page\b", printed)) <= 2


def test_the_first_visit_is_light_and_the_next_lighter(visit: Open) -> None:
    with visit() as opened:
        weights: dict[str, int] = {}

        def weigh(path: str) -> int:
            weights.clear()
            opened.page.goto(path, wait_until="networkidle")
            return sum(weights.values())

        session = opened.context.new_cdp_session(opened.page)
        session.send("Network.enable")
        session.send("Network.setCacheDisabled", {"cacheDisabled": True})
        session.on(
            "Network.loadingFinished",
            lambda event: weights.__setitem__(event["requestId"], event["encodedDataLength"]),
        )
        assert weigh("/") < 400_000
        session.send("Network.setCacheDisabled", {"cacheDisabled": False})
        weigh("/")
        assert weigh("/?last=26w") < 60_000
