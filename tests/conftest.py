"""What the tests share: Hypothesis settings and the oracles that owe nothing to tinydist."""

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import numba
import numpy as np
import pytest
from autograd import make_vjp
from hypothesis import settings

settings.register_profile("tinydist", deadline=None, derandomize=True)
settings.load_profile("tinydist")
WATCHING: dict[str, str] = {}
if "PYTEST_XDIST_WORKER" in os.environ:
    numba.set_num_threads(1)  # the workers share the cores: threads that wait for one another would take far longer
    for name in {"COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"} & os.environ.keys():
        WATCHING[name] = os.environ.pop(name)  # coverage looks at this process alone: others would take twice as long


@pytest.fixture
def watching() -> dict[str, str]:
    """Variables by which coverage, where it is on, looks at a program that a test starts, too."""
    return WATCHING


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def autograd_gradients() -> Callable[..., list[Any]]:
    """HIPS autograd: the gradients of <cotangent, function(*inputs)>, one per input.

    The function must be written with ``autograd.numpy``.
    """

    def gradients(function: Callable[..., Any], inputs: Any, cotangent: Any) -> list[Any]:
        return [make_vjp(function, position)(*inputs)[0](cotangent) for position in range(len(inputs))]

    return gradients


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium without a window, driven through its ChromeDriver; skips the test where they are not installed."""
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    flags = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")
    for flag in (*flags, f"--user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield browser
    browser.quit()


@pytest.fixture
def load_offline(browser: Any) -> Callable[..., Any]:
    """Load a page from disk at some width, light or dark, with no network, and give the browser."""

    def load(uri: str, width: int, scheme: str = "light") -> Any:
        browser.get_log("browser")  # forget what the page before complained of
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
        browser.execute_cdp_cmd("Network.enable", {})
        browser.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.get(uri)
        return browser

    return load
