"""The page in Chromium, from a report with the network off and from the explorer: what people do with it."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pages import AXE, Watched

pytestmark = pytest.mark.slow

MARKS = "\u202e\u200b"
HOSTILE = [
    "<script>alert(1)</script>",
    f"{MARKS}evil",
    "x" * 10_000,
    "<img src=x onerror=alert(1)>",
    "a\x00b",
]


def pairs_shown(page: Any) -> list[str]:
    return page.locator("#matches tbody tr td:first-child").all_inner_texts()


def chooser(page: Any, section: str, label: str) -> Any:
    return page.locator(f"{section} label:has(> span:text-is('{label}')) select")


def numbers(page: Any, column: int) -> list[float]:
    return [
        float(text) for text in page.locator(f"#matches tbody tr td:nth-child({column})").all_inner_texts()
    ]


def soon(page: Any, holds: Callable[[], bool]) -> bool:
    """Whether something comes to hold within the time that answers may take."""
    for _ in range(200):
        if holds():
            return True
        page.wait_for_timeout(100)
    return False


def test_nothing_is_asked_of_others_and_nothing_complains(watched: Watched) -> None:
    watched.page.wait_for_selector("#matches tbody tr")
    start = watched.page.url.split("#")[0]
    if start.startswith("file:"):
        assert watched.requests == [start]
    else:
        assert all(one.startswith(start.split("?")[0]) for one in watched.requests)
        assert len(watched.requests) > 4
    assert watched.complaints == []


def test_a_foreign_script_or_style_is_refused(watched: Watched) -> None:
    watched.page.wait_for_selector("#grid")
    watched.page.evaluate("""() => {
        for (const [tag, text] of [["script", "window.foreign = 1"], ["style", "body{display:none}"]]) {
            const made = document.createElement(tag); made.textContent = text; document.head.append(made);
        }
        fetch("https://example.org/").catch(() => { window.refused = true; });
    }""")
    watched.page.wait_for_function("window.refused")
    assert watched.page.evaluate("window.foreign") is None
    assert watched.page.evaluate("getComputedStyle(document.body).display") != "none"
    assert len([text for text in watched.complaints if "Content Security Policy" in text]) >= 3


def test_from_the_grid_to_a_pair_by_link_and_back(watched: Watched, browser: Any) -> None:
    page = watched.page
    page.locator("[data-at='0,1']").click()
    page.wait_for_function("location.hash === '#/cell/1/3'")
    assert "Layer 1" in page.locator("#cell h2").inner_text()
    link = page.locator("#matches a").first
    name = link.inner_text()
    link.click()
    page.wait_for_selector("#pair .tiles")
    assert page.locator("#pair h2").inner_text().endswith(name)
    assert page.locator("#pair .context .peak").count() > 3
    address = page.locator("#pair .copy input").input_value()
    assert "#/pair/1/3/" in address
    other = Watched(browser, address, offline=address.startswith("file:"))
    other.page.wait_for_selector("#pair .tiles")
    assert other.page.locator("#pair h2").inner_text().endswith(name)
    other.context.close()
    page.go_back()
    page.wait_for_selector("#matches tbody tr")
    assert name in pairs_shown(page)


def test_the_grid_is_walked_by_keyboard(watched: Watched) -> None:
    page = watched.page
    page.locator("[role=gridcell][tabindex='0']").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_function("location.hash === '#/cell/1/3'")


def test_measures_and_values_are_switched(watched: Watched) -> None:
    page = watched.page
    cells = page.locator("[role=gridcell]")
    cells.first.wait_for()
    before = cells.all_inner_texts()
    chooser(page, "#grid", "Measure").select_option("rsa")
    page.wait_for_function(
        "before => document.querySelector('[role=gridcell]').innerText !== before", arg=before[0]
    )
    chooser(page, "#grid", "Show").select_option("n")
    assert soon(
        page,
        lambda: all(re.fullmatch(r"[\d,]+★?", text.replace("\n", "")) for text in cells.all_inner_texts()),
    )


def test_matches_are_sorted_and_searched(watched: Watched) -> None:
    page = watched.page
    page.wait_for_selector("#matches tbody tr")
    page.locator("#matches .sort", has_text=re.compile("^r")).click()
    page.wait_for_selector("#matches th[aria-sort=descending] >> text=r")
    assert soon(page, lambda: numbers(page, 4) == sorted(numbers(page, 4), reverse=True))
    assert len(set(numbers(page, 4))) > 3
    page.locator("#matches .sort", has_text=re.compile("^r")).click()
    page.wait_for_selector("#matches th[aria-sort=ascending]")
    assert soon(page, lambda: numbers(page, 4) == sorted(numbers(page, 4)))
    name = pairs_shown(page)[2]
    page.locator("#matches input").fill(name.split(" ")[0])
    assert soon(page, lambda: {shown.split(" ")[0] for shown in pairs_shown(page)} == {name.split(" ")[0]})
    assert name in pairs_shown(page)
    page.locator("#matches input").fill("")
    chooser(page, "#matches", "Show").select_option("removed")
    page.wait_for_selector("#matches tr.dropped >> text=dropped: ")


def test_a_line_around_features_shows_their_partners(watched: Watched) -> None:
    page = watched.page
    for above in ("#cell[aria-busy=false]", "#matches tbody tr"):  # what comes late moves the plot away
        page.wait_for_selector(above)
    plot = page.locator("#map figure.map svg").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    corners = [(0.02, 0.02), (0.98, 0.02), (0.98, 0.98), (0.02, 0.98), (0.02, 0.03)]
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=2)
    page.mouse.up()
    page.wait_for_selector("#map table tbody tr")
    found = int(page.locator("#map [role=status]").inner_text().split(" ")[0].replace(",", ""))
    assert found >= page.locator("#map table tbody tr").count() > 3
    assert page.locator("#map figure.map").nth(1).locator("path.two").get_attribute("d").count("M") == found
    page.locator("#map button", has_text="Clear").click()
    assert page.locator("#map table").count() == 0


@pytest.mark.parametrize(
    ("width", "scheme"), [(400, "dark"), (820, "light"), (1400, "dark"), (1920, "light")]
)
def test_nothing_is_cut_at_any_width(browser: Any, report: str, width: int, scheme: str) -> None:
    seen = Watched(browser, report, width, scheme)
    seen.page.wait_for_selector("#matches tbody tr")
    assert seen.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    seen.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Any, report: str, scheme: str) -> None:
    if not AXE.exists():
        pytest.skip("axe-core isn't installed: npm ci in frontend/")
    seen = Watched(browser, report, scheme=scheme, bypass_csp=True)
    for opened in ("#matches tbody tr", "#pair .tiles"):
        if "pair" in opened:
            seen.page.locator("#matches a").first.click()
        seen.page.wait_for_selector(opened)
        seen.page.evaluate(AXE.read_text())
        found = seen.page.evaluate("axe.run().then(result => result.violations)")
        bad = [
            (one["id"], one["nodes"][0]["html"][:200])
            for one in found
            if one["impact"] in ("moderate", "serious", "critical")
        ]
        assert bad == []
    seen.context.close()


def test_hostile_tokens_are_text(browser: Any, folder: Path, tmp_path: Path) -> None:
    from congruence.report.page import inline
    from congruence.run import load_run
    from congruence.view import embedded

    blob = embedded(load_run(folder), 12_000_000)
    for answer in blob["matches"].values():
        for row in answer["rows"]:
            row["top_tokens_a"] = HOSTILE
    blob["overview"]["sides"]["a"]["name"] = HOSTILE[0]
    page = inline("", json.dumps(blob))
    path = tmp_path / "page.html"
    path.write_text(
        f'<!DOCTYPE html><html lang="en"><title>x</title><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{page.policy}">'
        f'<style>{page.style}</style><div id="congruence-app"></div><script type="application/json" id="congruence-data">{page.data}</script>'
        f"<script>{page.script}</script></html>",
        encoding="utf-8",
    )
    seen = Watched(browser, path.as_uri())
    seen.page.wait_for_selector("#matches tbody tr")
    text = seen.page.locator("#matches tbody tr").first.inner_text()
    assert HOSTILE[0] in text
    assert "\\u202e\\u200bevil" in text
    assert "a\\x00b" in text
    assert "(+9968)" in text
    assert not set(MARKS) & set(text)
    assert seen.page.locator("#congruence-app script, #congruence-app img").count() == 0
    assert seen.complaints == []
    seen.context.close()


def test_it_is_read_without_scripts_and_printed_whole(browser: Any, report: str) -> None:
    still = Watched(browser, report, java_script_enabled=False)
    assert still.page.locator("#measures .heat").first.is_visible()
    assert still.page.locator("#features tbody tr").first.is_visible()
    still.context.close()
    live = Watched(browser, report)
    live.page.wait_for_selector("#grid")
    assert not live.page.locator("#measures").is_visible()
    live.page.emulate_media(media="print")
    live.page.set_viewport_size({"width": 1030, "height": 700})
    assert live.page.locator("#measures .heat").first.is_visible()
    cut = live.page.evaluate("""() => [...document.querySelectorAll('table')].filter(t => t.offsetParent
        && t.getBoundingClientRect().right > innerWidth + 1).map(t => t.className)""")
    assert cut == []
    live.context.close()
