"""The page in a real browser, where one is installed: Chromium, driven through its ChromeDriver."""

import base64

import pytest

By = pytest.importorskip("selenium.webdriver.common.by").By


@pytest.fixture
def show(load_offline, page_of_a_sweep):
    """Load the page at some width, light or dark, with no network, and give the browser."""
    return lambda width=1100, scheme="light": load_offline((page_of_a_sweep / "report.html").as_uri(), width, scheme)


def test_it_loads_without_a_complaint_and_its_figures_have_a_size(show):
    browser = show()
    assert browser.get_log("browser") == []
    assert browser.title == "Neural Networks Learn Distance Metrics: what held"
    images = browser.find_elements(By.TAG_NAME, "img")
    assert len(images) > 20
    for image in images:
        assert int(image.get_property("naturalWidth")) > 300
        assert 300 < image.size["width"] <= 1100
        assert image.size["height"] > 100


def unfolded(browser):
    for part in browser.find_elements(By.TAG_NAME, "details"):
        browser.execute_script("arguments[0].open = true", part)
    return browser


def column(browser, number):
    return [
        row.find_elements(By.TAG_NAME, "td")[number].text
        for row in browser.find_elements(By.CSS_SELECTOR, "table.sortable tbody tr")
    ]


def test_the_table_of_runs_is_sorted_by_a_click_and_turned_round_by_another(show):
    browser = unfolded(show())
    headings = browser.find_elements(By.CSS_SELECTOR, "table.sortable th")
    names = [heading.text.split()[0] for heading in headings]
    for name, value in (("model", str), ("test", float), ("seed", int)):
        number = names.index(name)
        button = headings[number].find_element(By.TAG_NAME, "button")
        for order in ("ascending", "descending"):
            button.click()
            assert [heading.get_attribute("aria-sort") for heading in headings].count(order) == 1
            cells = column(browser, number)
            filled = [cell for cell in cells if cell]
            assert filled == sorted(filled, key=value, reverse=order == "descending")
            assert cells[: len(filled)] == filled  # a failed run has no accuracy and stays last
    assert len(column(browser, 0)) == 9


def test_the_keyboard_sorts_as_well(show):
    browser = unfolded(show())
    button = browser.find_element(By.CSS_SELECTOR, "table.sortable th button")
    button.send_keys("\n")
    assert column(browser, 0) == sorted(column(browser, 0))


def background(browser):
    return browser.execute_script("return getComputedStyle(document.body).backgroundColor")


def brightness(browser, selector):
    """Of the text of the first such element, 0 to 255."""
    color = browser.execute_script("return getComputedStyle(document.querySelector(arguments[0])).color", selector)
    return sum(int(part) for part in color.removeprefix("rgb(").removesuffix(")").split(",")) / 3


def test_it_is_dark_where_the_reader_likes_it_dark(show):
    assert background(show(scheme="light")) == "rgb(255, 255, 255)"
    assert brightness(show(scheme="light"), "h1") < 60
    assert background(show(scheme="dark")) != "rgb(255, 255, 255)"
    assert brightness(show(scheme="dark"), "h1") > 200
    browser = show(scheme="dark")
    pictures, charts = (browser.find_elements(By.CSS_SELECTOR, f"img{kind}") for kind in (":not(.chart)", ".chart"))
    assert {picture.value_of_css_property("filter") for picture in pictures} == {"none"}
    assert all(chart.value_of_css_property("filter").startswith("invert") for chart in charts)
    assert len(charts) > 10


@pytest.mark.parametrize("width", [320, 700, 1600])
def test_no_width_makes_the_page_itself_scroll_sideways(show, width):
    browser = unfolded(show(width))
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


def test_a_claim_opens_by_a_click_or_a_key_and_shows_its_evidence(show):
    browser = show()
    for number, act in (("7c", lambda line: line.click()), ("2a", lambda line: line.send_keys("\n"))):
        claim = browser.find_element(By.ID, f"claim-{number}")
        evidence = claim.find_element(By.CLASS_NAME, "evidence")
        assert not evidence.is_displayed()
        act(claim.find_element(By.TAG_NAME, "summary"))
        assert evidence.is_displayed()


def test_it_prints_with_the_numbers_behind_the_figures(show):
    browser = show(scheme="dark")
    browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert all(part.get_property("open") for part in browser.find_elements(By.TAG_NAME, "details"))
    pdf = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"])
    assert pdf.startswith(b"%PDF")
    assert pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ") + pdf.count(b"/Type/Page/") >= 5
