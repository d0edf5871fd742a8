"""Take a picture of a part of a report: python docs/take_picture.py PAGE PICTURE FIRST LAST.

FIRST and LAST are CSS selectors of the elements at the top and the bottom of the picture. Needs selenium, and Debian's
chromium and chromium-driver.
"""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.support.ui import WebDriverWait

WIDTH, MARGIN = 1180, 12  # pixels


def take_picture(page: Path, first: str, last: str) -> bytes:
    """Return a PNG of the page, as wide as the page, from one element to another."""
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for option in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(option)
    with webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver")) as browser:
        # High enough that every figure is in view, and so drawn.
        set_size(browser, height=6000)
        browser.get(page.resolve().as_uri())
        WebDriverWait(browser, 60).until(
            lambda page: page.execute_script("return document.documentElement.dataset.drawn")
        )
        top, _ = find_ends(browser, first)
        _, bottom = find_ends(browser, last)
        clip = {"x": 0, "y": top - MARGIN, "width": WIDTH, "height": bottom - top + 2 * MARGIN, "scale": 1}
        shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True})
    return base64.b64decode(shot["data"])


def set_size(browser: WebDriver, height: int) -> None:
    """Set the size of the window, whose pixels are those of the picture."""
    metrics = {"width": WIDTH, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def find_ends(browser: WebDriver, selector: str) -> tuple[float, float]:
    """Return the top and the bottom of the first element that a selector finds."""
    script = "const box = document.querySelector(arguments[0]).getBoundingClientRect(); return [box.top, box.bottom];"
    ends: Any = browser.execute_script(script, selector)
    return ends[0], ends[1]


if __name__ == "__main__":
    page, picture, first, last = sys.argv[1:]
    Path(picture).write_bytes(take_picture(Path(page), first, last))
