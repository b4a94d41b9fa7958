"""The site in a real browser, from disk: TINYDIST_SITE says where it was built."""

import os
from pathlib import Path

import pytest

By = pytest.importorskip("selenium.webdriver.common.by").By
WebDriverWait = pytest.importorskip("selenium.webdriver.support.ui").WebDriverWait

SITE = os.environ.get("TINYDIST_SITE", "")
pytestmark = pytest.mark.skipif(not SITE, reason="TINYDIST_SITE does not say where the site was built")
PAGES = ("index", "pages/results", "pages/studies", "pages/data", "pages/speed", "reference/nn", "reference/analysis")


@pytest.fixture
def show(load_offline):
    """Load a page from disk at some width, with no network, and give the browser."""

    def load(page, width=1400):
        name, _, query = page.partition("?")
        uri = Path(SITE, f"{name}.html").resolve().as_uri()
        return load_offline(f"{uri}{'?' if query else ''}{query}", width)

    return load


def found(browser):
    """The links that a search has come to, once it says that it has finished."""
    WebDriverWait(browser, 20).until(
        lambda browser: (
            "finished" in browser.find_element(By.ID, "search-results").text.lower()
            or "did not match" in browser.find_element(By.ID, "search-results").text
        )
    )
    return [link.get_attribute("href") for link in browser.find_elements(By.CSS_SELECTOR, "ul.search a")]


@pytest.mark.parametrize(
    ("words", "page"),
    [
        ("OffsetL2", "reference/nn.html"),
        ("OffsetL2", "lessons/11_offset_l2.html"),
        ("Fashion", "pages/studies.html"),
        ("checkpoint", "pages/running.html"),
        ("gradcheck", "reference/engine.html"),
    ],
)
def test_a_search_finds_a_page(show, words, page):
    browser = show(f"search?q={words}")
    links = found(browser)
    assert any(page in link for link in links), links
    assert browser.get_log("browser") == []
    for link in links[:3]:
        assert Path(link.removeprefix("file://").partition("#")[0].partition("?")[0]).is_file()


def test_a_search_from_the_box_of_a_page_shows_results(show):
    browser = show("pages/results")
    box = browser.find_element(By.CSS_SELECTOR, "input[name=q]")
    box.send_keys("prototype\n")
    WebDriverWait(browser, 20).until(lambda browser: "search.html" in browser.current_url)
    assert len(found(browser)) > 3


def test_a_search_for_nothing_known_says_so(show):
    assert found(show("search?q=xyzzyxyzzy")) == []


@pytest.mark.parametrize("width", [390, 1400])
@pytest.mark.parametrize("page", PAGES)
def test_a_page_fits_its_screen_and_shows_its_figures(show, page, width):
    browser = show(page, width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    for image in browser.find_elements(By.CSS_SELECTOR, ".content figure img"):
        assert int(image.get_property("naturalWidth")) > 300
    assert browser.get_log("browser") == []
