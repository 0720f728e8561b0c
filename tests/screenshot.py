"""Takes the picture of the overview that the README opens with: `make screenshot`."""

import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.server import Server, run_tracker
from tests.tracker.pages.conftest import login_code, require_chromium
from tests.tracker.pages.test_browser import ARGUMENTS

PICTURE = Path(__file__).parents[1] / ".github" / "overview.png"
WIDTH, HEIGHT = 1280, 1190


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        run_tracker(Path(folder), "demo").check_returncode()
        with Server(Path(folder)) as server, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=require_chromium(), args=ARGUMENTS)
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
            page.goto(f"{server.url}/login?code={login_code(server, 'demo')}")
            page.get_by_role("button", name="Sign in to demo").click()
            page.wait_for_load_state("networkidle")
            page.screenshot(path=PICTURE)
            browser.close()
    print(f"Wrote {PICTURE}.")


if __name__ == "__main__":
    main()
