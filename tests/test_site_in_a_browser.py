"""The site in a real browser, from disk: TINYDIST_SITE says where it was built."""

import os
import re
from pathlib import Path

import nbformat
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


def test_what_came_out_is_hidden_until_the_reader_has_predicted_it(show):
    browser = show("lessons/09_how_relu2_dies")

    def visible(selector, words):
        return [e for e in browser.find_elements(By.CSS_SELECTOR, selector) if words in e.text and e.is_displayed()]

    outputs = ("the right class", "up: asked", "first loss")  # of three cells, the last one without a prediction
    assert [bool(visible(".sphx-glr-script-out", words)) for words in outputs] == [False, False, True]
    assert not visible("p", "Descent moves against the gradient")
    assert visible("p", "Which of the two will happen?")
    asked = "//button[text()='Show what came out']"
    first, *others = browser.find_elements(By.XPATH, asked)
    assert others
    browser.execute_script("arguments[0].click()", first)
    assert [bool(visible(".sphx-glr-script-out", words)) for words in outputs] == [True, False, True]
    assert visible("p", "Descent moves against the gradient")
    assert len(browser.find_elements(By.XPATH, asked)) == len(others)


@pytest.mark.parametrize("notebook", sorted(Path(SITE, "_downloads").rglob("[0-9]*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_folds_findings_answers_and_the_code_of_figures(notebook):
    cells = nbformat.read(notebook, as_version=4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    for label, summary in (("Notice.", "Show what came out"), ("Answer.", "Show an answer")):
        folded = f"<details><summary>{summary}</summary>\n\n**{label}**"
        assert text.count(folded) == text.count(f"**{label}**") > 0
    assert text.count("<details>") == text.count("</details>")
    unfolded = re.sub("<details>.*?</details>", "", text, flags=re.DOTALL)
    assert "**Exercise.**" in unfolded
    assert "**Predict first.**" in unfolded
    drawings = [cell for cell in cells if cell.cell_type == "code" and "savefig(" in cell.source]
    assert drawings
    assert all(cell.metadata["jupyter"]["source_hidden"] for cell in drawings)


@pytest.mark.parametrize("lesson", sorted(path.stem for path in Path(SITE, "lessons").glob("[0-9]*.html")))
def test_a_lesson_folds_every_prediction_fits_a_narrow_screen_and_never_hides_its_exercise(show, lesson):
    browser = show(f"lessons/{lesson}", 390)
    predictions = "return [...document.querySelectorAll('article strong')].filter(e => e.textContent == arguments[0])"
    asked = browser.execute_script(predictions, "Predict first.")
    buttons = [button.get_property("textContent") for button in browser.find_elements(By.CSS_SELECTOR, "button.reveal")]
    assert buttons.count("Show what came out") == len(asked) > 0
    assert buttons.count("Show an answer") == 1
    assert buttons.count("Show the code of the figure") >= 1
    assert browser.execute_script(predictions, "Exercise.")[0].is_displayed()
    assert not browser.execute_script(predictions, "Answer.")[0].is_displayed()
    links = [link.get_attribute("href") for link in browser.find_elements(By.CSS_SELECTOR, "article a")]
    assert any("/reference/" in link for link in links)  # from names in the code
    assert any("pages/engine.html" in link for link in links)
    for label in ("Show what came out", "Show an answer", "Show the code of the figure"):
        drawings = browser.execute_script(
            "return [...document.querySelectorAll('div.highlight-Python')].filter(e => /^figure, /.test(e.textContent))"
        )
        assert not any(code.is_displayed() for code in drawings)
        for button in browser.find_elements(By.XPATH, f"//button[text()='{label}']"):
            browser.execute_script("arguments[0].click()", button)
    assert all(code.is_displayed() for code in drawings)
    assert browser.execute_script(predictions, "Answer.")[0].is_displayed()
    assert not browser.find_elements(By.CSS_SELECTOR, "button.reveal")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    assert browser.get_log("browser") == []
