"""Look at a report's page in a browser: open it at a width, and what it has logged and requested."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium.webdriver.chrome.webdriver import WebDriver

DESK, TELEPHONE = 1280, 390
# Of A4 less its margins of 14 mm, at 96 pixels per inch.
A4 = 688


def open_page(browser: WebDriver, path: Path, *, width: int = DESK, height: int = 900) -> None:
    """Open a file in a window whose content is `width` wide; what earlier pages logged is forgotten."""
    browser.get("about:blank")
    console_messages(browser)
    requests(browser)
    # A window is never narrower than 500 pixels; a telephone's screen is.
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(Path(path).resolve().as_uri())


@contextmanager
def on_paper(browser: WebDriver, *, width: int = A4) -> Iterator[None]:
    """Have the page as it is printed: with its styles for paper, at the width of A4 within the margins."""
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    # Figures follow a change of the window's width a tenth of a second later.
    time.sleep(0.5)
    browser.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    try:
        yield
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
        browser.execute_script("window.dispatchEvent(new Event('afterprint'))")


def console_messages(browser: WebDriver) -> list[str]:
    """Return what the console has shown since the last call."""
    return [entry["message"] for entry in browser.get_log("browser")]


def requests(browser: WebDriver) -> list[str]:
    """Return the URLs asked for since the last call."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [each["params"] for each in messages if each["method"] == "Network.requestWillBeSent"]
    return [each["request"]["url"] for each in sent]


def requests_elsewhere(browser: WebDriver) -> list[str]:
    """Return the URLs asked for since the last call that are not on the disk or in the page itself."""
    return [url for url in requests(browser) if not url.startswith(("file://", "data:", "blob:", "about:"))]


def scrolls_sideways(browser: WebDriver) -> bool:
    """Return whether the page is wider than the window."""
    return browser.execute_script(
        "const root = document.scrollingElement; return root.scrollWidth > document.documentElement.clientWidth;"
    )


def save_screenshot(browser: WebDriver, path: Path) -> None:
    """Save a picture of the whole page, below the window too."""
    shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "format": "png"})
    Path(path).write_bytes(base64.b64decode(shot["data"]))
