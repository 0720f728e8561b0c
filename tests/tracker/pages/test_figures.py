"""Pages say what the interface answers, keep all of their state in the address, and show nothing as what it is not."""

import re
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlencode

import httpx
import pytest

from metrics.definitions.base import MetricName
from tests.server import Server, deployment
from tests.tracker.pages.conftest import API, SHOP, monday, record, records, text_of
from tests.waiting import wait_until

Make = Callable[..., httpx.Client]
EVIL = '<script>alert("x")</script>[/x]'
PAGES = [
    "/", "/deployments", "/incidents", "/repositories", "/quality", "/report", "/settings", "/tokens",
    *[f"/metric/{name}" for name in MetricName],
]  # fmt: skip


@pytest.fixture(scope="module")
def server(sqlite_server: Server) -> Server:
    return sqlite_server


@pytest.fixture
def filled(client: httpx.Client) -> httpx.Client:
    record(client, *records())
    started = monday(2) + timedelta(days=2, minutes=30)
    incident = {
        "title": "Slow answers",
        "severity": "sev2",
        "repository_url": SHOP,
        "started_at": started.isoformat(),
    }
    answered = client.post(
        "/api/v1/incidents", json={**incident, "resolved_at": (started + timedelta(hours=3)).isoformat()}
    )
    assert answered.status_code == 201, answered.text
    return client


def test_the_overview_says_what_the_interface_answers(filled: httpx.Client, signed_in: Make) -> None:
    answers = filled.get("/api/v1/metrics?last=13w&compare=true").json()["metrics"]
    html = signed_in().get("/").text
    words = text_of(html)
    rate, frequency = answers["change_failure_rate"], answers["deployment_frequency"]
    assert f"{rate['denominator']} deployments reached users and {rate['numerator']} needed repair" in words
    assert f"{rate['value']:.1%}".replace("%", " %") in words
    assert f"{frequency['deployments']} deployments on {frequency['deployment_days']} days" in words
    assert f"{frequency['value']:.2f} a day" in words
    # Lead times of 20 hours, repairs after two, and the incident of three hours is the one of its deployment.
    assert "20 h median" in words
    assert answers["mean_time_to_recover"]["recovered"] == 7
    assert "7 recovered, 0 open" in words
    for team in ("checkout", "platform"):
        assert f'href="/?team={team}"' in html


@pytest.mark.parametrize("name", list(MetricName))
def test_a_metrics_page_counts_the_rows_that_the_interface_explains(
    filled: httpx.Client, signed_in: Make, name: MetricName
) -> None:
    explained = filled.get(f"/api/v1/metrics/{name}/explain?last=13w&limit=10000").json()
    html = signed_in().get(f"/metric/{name}?rows=left_out").text
    left_out = [row for row in explained["left_out"] if row["reason"] != "open"]
    assert f"Left out {len(left_out)}<" in html
    counted = explained["counted"]
    numerator = [row for row in counted if row.get("in_numerator")]
    shown = {int(count) for count in re.findall(r"(?:Failed|All|Repairs|Deployments|Commits) (\d+)<", html)}
    assert shown == {len(counted), len(numerator)} if numerator else {len(counted)}


def test_from_a_card_to_the_row_behind_it(filled: httpx.Client, signed_in: Make) -> None:
    browser = signed_in()
    assert 'href="/metric/change_failure_rate"' in browser.get("/").text
    page = browser.get("/metric/change_failure_rate?rows=numerator").text
    (first, *_) = re.findall(r'<th scope="row"><a href="(/deployments/[\w-]+)">', page)
    one = browser.get(first)
    assert "Why it counts as failed" in one.text
    words = text_of(one.text)
    assert "and failed ; users were affected for" in words or "and failed; users were affected for" in words
    deployment_id = first.rpartition("/")[2]
    listed = filled.get(f"/api/v1/deployments/{deployment_id}").json()
    assert listed["failed"]


def test_the_address_holds_the_whole_question(filled: httpx.Client, signed_in: Make) -> None:
    browser = signed_in()
    asked = {"last": "4w", "team": "checkout", "tz": "Europe/Berlin", "environment": "production"}
    html = browser.get(f"/?{urlencode(asked)}").text
    rate = filled.get("/api/v1/metrics/change_failure_rate", params=asked).json()
    assert f"{rate['numerator']} of {rate['denominator']}" in text_of(html)
    # What leads to another page takes the question along.
    for link in re.findall(r'<nav aria-label="Main">.*?</nav>', html, re.DOTALL)[0].split("href=")[1:-3]:
        assert "team=checkout" in link
    custom = browser.get("/?from=2026-01-05&until=2026-01-11")
    assert (custom.status_code, custom.headers["Location"]) == (303, "/?from=2026-01-05&to=2026-01-12")


def test_each_bucket_of_a_chart_says_its_figures_where_one_points_at_it(
    filled: httpx.Client, signed_in: Make
) -> None:
    series = filled.get("/api/v1/metrics/change_failure_rate?last=13w&interval=week").json()["series"]
    html = signed_in().get("/metric/change_failure_rate").text
    said = re.findall(r'<g class="hints".*?</g>', html)
    # One drawing for wide places and one for narrow ones.
    assert len(said) == 2
    for hints in said:
        titles = re.findall(r"<title>(.*?)</title>", hints)
        assert len(titles) == len(series) == 13
        for title, point in zip(titles, series, strict=True):
            assert f"{point['numerator']} of {point['denominator']}" in title


def test_a_window_too_long_for_its_buckets_is_shown_by_longer_ones(
    client: httpx.Client, signed_in: Make
) -> None:
    assert client.post("/api/v1/deployments", json=deployment()).status_code == 201
    html = signed_in().get("/metric/deployment_frequency?from=2010-01-01&to=2026-01-01&interval=day").text
    assert '<h2 id="trend">By quarter' in html
    assert "interval=day" not in html.partition('aria-label="Interval"')[2].partition("</div>")[0]


def test_a_first_days_record_is_seen_at_once(client: httpx.Client, signed_in: Make) -> None:
    browser = signed_in()
    assert "Nothing recorded yet" in browser.get("/").text
    assert client.post("/api/v1/deployments", json=deployment()).status_code == 201
    assert "1 deployment reached users" in text_of(browser.get("/").text)


def test_an_empty_window_leads_to_the_records(client: httpx.Client, signed_in: Make) -> None:
    at = monday(60)
    assert client.post("/api/v1/deployments", json=deployment(finished_at=at.isoformat())).status_code == 201
    browser = signed_in()
    html = browser.get("/").text
    assert "nothing reached users" in html
    (link,) = re.findall(r'<a href="(/\?from=[^"]+)">Show the window', html)
    assert "1 deployment reached users" in text_of(browser.get(link.replace("&amp;", "&")).text)


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("tz=Europe/Berln", "must be an IANA time zone"),
        ("from=2026-13-01&to=2026-02-01", "13"),
        ("last=13x", "must be days, weeks, months or years"),
        ("last=4w&from=2026-01-01", "stands in place of"),
        ("label=nothing", "must be key:value"),
        ("from=2026-02-01&to=2026-01-01", "must be before"),
        ("repository=a//b", "must"),
    ],
)
@pytest.mark.parametrize("page", ["/", "/metric/lead_time_for_changes", "/deployments"])
def test_what_is_wrong_with_an_address_is_said_and_the_page_is_shown(
    signed_in: Make, page: str, query: str, said: str
) -> None:
    answered = signed_in().get(f"{page}?{query}")
    assert answered.status_code == 400
    assert said in answered.text
    assert "The page is shown without it" in answered.text
    assert "<h1>" in answered.text


@pytest.mark.usefixtures("filled")
def test_an_instant_that_is_none_is_passed_over(signed_in: Make) -> None:
    answered = signed_in().get("/metric/lead_time_for_changes?as_of=yesterday")
    assert answered.status_code == 400
    assert "as_of “yesterday” must be" in answered.text


@pytest.mark.usefixtures("filled")
def test_a_name_that_nothing_has_is_told_with_the_one_that_is_meant(signed_in: Make) -> None:
    html = signed_in().get("/?team=checkot").text
    assert "Is checkout meant?" in html


@pytest.mark.usefixtures("filled")
def test_a_page_is_sent_again_only_when_something_is_new(client: httpx.Client, signed_in: Make) -> None:
    browser = signed_in()
    for page in ("/", "/metric/deployment_frequency", "/deployments", "/incidents", "/repositories"):
        first = browser.get(page)
        again = browser.get(page, headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        answered = client.post(
            "/api/v1/deployments", json=deployment(version=page, commit_id=None) | {"commit_id": "b" * 40}
        )
        assert answered.status_code == 201
        changed = browser.get(page, headers={"If-None-Match": first.headers["ETag"]})
        assert changed.status_code == 200
        assert changed.headers["ETag"] != first.headers["ETag"]
    other = signed_in("metrics:read")
    first = browser.get("/")
    assert other.get("/", headers={"If-None-Match": first.headers["ETag"]}).status_code == 200


@pytest.mark.usefixtures("filled")
def test_a_page_runs_nothing_but_its_own_files(signed_in: Make) -> None:
    browser = signed_in()
    for page in [*PAGES, "/sign-in", "/docs", "/docs/metrics.md", "/nothing"]:
        answered = browser.get(page)
        policy = answered.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert not re.findall(
            r"<script(?! src=\"/static/)|<style|\son\w+=|\sstyle=|javascript:", answered.text
        ), page
        for link in re.findall(r'(?:src|href)="(https?:)?//', answered.text):
            # The only addresses elsewhere are those that records name, and what a guide refers to.
            assert page in ("/docs/metrics.md",), (page, link)


def test_what_senders_say_is_shown_as_what_it_is(client: httpx.Client, signed_in: Make) -> None:
    at = monday(2)
    said = {
        "service": EVIL, "team": EVIL, "environment": "production", "branch": EVIL, "title": EVIL, "member_id": EVIL,
        "version": EVIL, "changelog": EVIL, "labels": {EVIL[:60]: EVIL}, "url": "https://ci.example/1?<script>",
        "deployment_node_id": EVIL,
    }  # fmt: skip
    answered = client.post(
        "/api/v1/deployments",
        json=deployment(finished_at=at.isoformat(), repository_url="https://x.example/acme/shop", **said),
    )
    assert answered.status_code == 201, answered.text
    one = answered.json()["id"]
    incident = {
        "title": EVIL, "severity": EVIL, "started_at": (at + timedelta(hours=1)).isoformat(), "service": EVIL, "key": EVIL,
        "labels": {"a": EVIL}, "url": "https://x.example/<script>",
    }  # fmt: skip
    answered = client.post("/api/v1/incidents", json=incident)
    assert answered.status_code == 201, answered.text
    browser = signed_in()
    paths = [*PAGES, f"/deployments/{one}", f"/incidents/{answered.json()['id']}", f"/?{urlencode({'team': EVIL})}",
             f"/deployments?{urlencode({'q': EVIL})}", f"/sign-in?{urlencode({'next': '/' + EVIL})}",
             "/api/v1/report.html", f"/api/v1/charts/lead_time_for_changes.svg?{urlencode({'team': EVIL})}",
             "/api/v1/charts/lead_time_for_changes.svg?group_by=team&last=13w"]  # fmt: skip
    shown = 0
    for path in paths:
        html = browser.get(path).text
        assert "<script>alert" not in html, path
        shown += "&lt;script&gt;alert" in html
    assert shown >= 8


def test_a_url_that_is_no_web_page_is_no_link(client: httpx.Client, signed_in: Make) -> None:
    answered = client.post("/api/v1/deployments", json=deployment(url="javascript:alert(1)"))
    if answered.status_code == 201:
        assert 'href="javascript:' not in signed_in().get(f"/deployments/{answered.json()['id']}").text
    else:
        assert answered.status_code == 400


@pytest.mark.usefixtures("filled")
def test_many_rows_come_in_pages(signed_in: Make) -> None:
    browser = signed_in()
    seen: list[str] = []
    url: str | None = "/deployments"
    while url:
        html = browser.get(url).text
        seen += re.findall(r'<th scope="row"><a href="(/deployments/[\w-]+)">', html)
        (url,) = re.findall(r'<a href="([^"]+)" rel="next"', html) or [None]
        url = url and url.replace("&amp;", "&")
    assert len(seen) == len(set(seen)) == len(records())
    first = browser.get("/metric/deployment_frequency?page=1").text
    second = browser.get("/metric/deployment_frequency?page=2").text
    links = [
        set(re.findall(r'<th scope="row"><a href="(/deployments/[\w-]+)">', page)) for page in (first, second)
    ]
    assert len(links[0]) == len(links[1]) == 25
    assert not links[0] & links[1]


def test_deployments_are_searched(filled: httpx.Client, signed_in: Make) -> None:
    browser = signed_in()
    found = browser.get("/deployments?q=HOTFIX").text
    releases = re.findall(r"<small>(v\w+[\w-]*)</small></a>", found)
    assert releases
    assert all("hotfix" in release for release in releases)
    assert filled.get("/api/v1/deployments?q=HOTFIX&limit=500").json()["items"]
    assert "No deployment fits" in browser.get("/deployments?q=nothing-like-it").text
    # A search term is text, not a pattern.
    assert "No deployment fits" in browser.get("/deployments?q=%25").text
    assert API.rpartition("/")[2] in browser.get("/deployments?repository=acme/api").text


def test_hundreds_of_groups_are_cut_with_a_word(client: httpx.Client, signed_in: Make) -> None:
    at = monday(2).isoformat()
    record(
        client,
        *[
            deployment(team=f"team-{number:03}", finished_at=at, deployment_node_id=str(number))
            for number in range(120)
        ],
    )
    browser = signed_in()
    html = browser.get("/").text
    assert "20 of 120" in text_of(html)
    assert html.count('href="/?team=team-') == 20
    assert browser.get("/?groups=all").text.count('href="/?team=team-') >= 120
    # Of so many a name is typed.
    assert 'list="choices-team"' in html


def test_what_a_repair_repaired_is_not_told_to_who_may_not_see_it(
    client: httpx.Client, signed_in: Make
) -> None:
    at = monday(2)
    hidden = deployment(
        repository_url="https://github.com/acme/vault", version="secret-9.9", finished_at=at.isoformat()
    )
    culprit = client.post("/api/v1/deployments", json=hidden).json()["id"]
    fix = deployment(remediates=culprit, is_hotfix=True, finished_at=(at + timedelta(hours=1)).isoformat())
    answered = client.post("/api/v1/deployments?receipt=true", json=fix).json()
    assert answered["receipt"]["repairs"]["deployment_id"] == culprit
    page = f"/deployments/{answered['id']}"
    assert culprit in signed_in().get(page).text
    limited = signed_in("admin", "acme/shop")
    for path in (
        page,
        "/",
        "/metric/deployment_rework_rate",
        "/deployments",
        f"/api/v1/deployments/{answered['id']}",
    ):
        html = limited.get(path).text
        # What the record itself says it remediates is its own to say.
        assert f"/deployments/{culprit}" not in html, path
        assert "secret-9.9" not in html, path
        assert "vault" not in html, path


def test_open_incidents_stand_where_their_deployments_do(client: httpx.Client, signed_in: Make) -> None:
    at = monday(2)
    for team, name in (("t1", "one"), ("t2", "two")):
        url = f"https://github.com/acme/{name}"
        sent = deployment(repository_url=url, team=team, labels={"region": name}, finished_at=at.isoformat())
        assert client.post("/api/v1/deployments", json=sent).status_code == 201
        begun = (at + timedelta(hours=1)).isoformat()
        incident = {"title": f"Trouble {name}", "repository_url": url, "started_at": begun}
        assert client.post("/api/v1/incidents", json=incident).status_code == 201
    browser = signed_in()
    for page in ("/", "/incidents"):
        for query, shown, hidden in (
            ("team=t1", "Trouble one", "Trouble two"),
            ("team=t2&environment=production", "Trouble two", "Trouble one"),
            ("environment=prod*&label=region:one", "Trouble one", "Trouble two"),
            ("repository=acme/two", "Trouble two", "Trouble one"),
        ):
            html = browser.get(f"{page}?{query}").text
            assert shown in html, (page, query)
            assert hidden not in html, (page, query)
        assert "Trouble one" not in browser.get(f"{page}?environment=staging").text
    assert "acme" in browser.get("/deployments?environment=prod*").text
    assert browser.get("/deployments?environment=prod*").text.count('href="/deployments/') == 2


@pytest.mark.usefixtures("filled")
def test_records_are_shown_as_they_now_are(signed_in: Make) -> None:
    browser = signed_in()
    then = "as_of=2026-10-01T00:00:00%2B00:00"
    for page in ("/deployments", "/incidents"):
        assert browser.get(f"{page}?{then}").headers["Location"] == page
    html = browser.get(f"/?{then}").text
    assert "As it was known on" in html
    assert not re.findall(r'href="/(?:deployments|incidents)[^"]*as_of', html)


@pytest.mark.usefixtures("filled")
def test_a_day_that_was_known_is_the_day_that_was_chosen(signed_in: Make) -> None:
    browser = signed_in()
    page = "/metric/change_failure_rate"
    for zone, end in (
        ("UTC", "2026-10-01T23:59:59.999999+00:00"),
        ("Asia/Tokyo", "2026-10-01T14:59:59.999999+00:00"),
    ):
        answered = browser.get(f"{page}?tz={zone}&as_of_day=2026-10-01")
        assert urlencode({"as_of": end}) in answered.headers["Location"]
        shown = browser.get(answered.headers["Location"]).text
        assert 'name="as_of_day" value="2026-10-01"' in shown
        assert "1 Oct" in text_of(shown)


def test_what_is_no_record_is_news_too(client: httpx.Client, signed_in: Make) -> None:
    browser = signed_in()
    first = browser.get("/")
    assert "Waiting for the first record" in first.text
    assert client.post("/api/v1/deployments", json=deployment(branch=7)).status_code == 400

    def told() -> bool:
        return "/branch" in browser.get("/", headers={"If-None-Match": first.headers["ETag"]}).text

    wait_until(told, seconds=10)
    one = client.post("/api/v1/deployments", json=deployment(duration_seconds=60)).json()["id"]
    page = browser.get(f"/deployments/{one}")
    assert "Where the time went" not in page.text
    steps = {"steps": [{"step_name": "Build image", "status": "SUCCESS", "duration_sec": 40}]}
    assert client.put(f"/api/v1/deployments/{one}/steps", json=steps).status_code == 200
    again = browser.get(f"/deployments/{one}", headers={"If-None-Match": page.headers["ETag"]})
    assert "Build image" in again.text


def test_very_many_groups_over_a_very_long_window_are_still_a_page(
    client: httpx.Client, signed_in: Make
) -> None:
    at = monday(2).isoformat()
    record(
        client,
        *[
            deployment(team=f"team-{number:03}", finished_at=at, deployment_node_id=str(number))
            for number in range(150)
        ],
    )
    browser = signed_in()
    for page in ("/?last=520w", "/metric/change_failure_rate?last=520w", "/repositories?last=520w"):
        assert browser.get(page).status_code == 200
    assert "20 of 150" in text_of(browser.get("/?last=520w").text)


@pytest.mark.parametrize(
    "path",
    [
        "/static/a%00.css", f"/static/{'x' * 300}.css", "/static/../shell.py", "/report?month=9999-12&x=1",
        "/?from=9998-01-01&to=9999-01-01", "/?page=²", "/metric/change_failure_rate?page=99999999",
        "/metric/change_failure_rate?rows=luck&interval=century", "/deployments?cursor=nonsense", "/incidents?page=0",
        "/?as_of_day=0000-00-00", "/?from=2026-01-01&until=9999-12-31", "/deployments?q=" + "x" * 3_000,
        "/?sort=luck&metric=luck&groups=luck", "/deployments/%00", "/incidents/nothing", "/repositories/nothing",
    ],
)  # fmt: skip
def test_odd_addresses_are_no_fault_of_the_service(client: httpx.Client, signed_in: Make, path: str) -> None:
    assert client.post("/api/v1/deployments", json=deployment()).status_code == 201
    answered = signed_in().get(path)
    assert answered.status_code < 500, answered.text
