#!/usr/bin/env python3
"""Opens a report in headless Chromium: it renders without complaints and without network, every control works, by keyboard
too, it fits narrow screens, its text has contrast in both colour schemes, and it opens fast with 1,000 heads.

usage: tests/browser/check_report.py REPORT.html [FOLDER_FOR_SCREENSHOTS]
"""

import json
import re
import sys
import tempfile
import time
from pathlib import Path

from chromium import Chromium

DATA = re.compile(r'(<script type="application/json" id="data">)(.*?)(</script>)', re.DOTALL)
CONTRAST = """(() => {
  const channels = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
      .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (node) => { for (; node; node = node.parentElement) { const c = channels(getComputedStyle(node).backgroundColor);
      if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
  const poor = [];
  for (const node of document.querySelectorAll("h1, h2, h3, p, dt, dd, a, label, select, input, th, summary, li, .legend")) {
    if (!node.offsetParent || !node.textContent.trim()) continue;
    const [a, b] = [light(channels(getComputedStyle(node).color)), light(behind(node))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) poor.push(`${node.tagName} ${node.className} ${ratio.toFixed(2)}`);
  }
  return [...new Set(poor)];
})()"""

failures = []


def check(holds, what):
    if not holds:
        failures.append(what)
        print(f"FAILED: {what}")


def with_many_heads(page, count):
    """The same page with `count` heads: copies of its own, in 32 layers."""
    data = json.loads(DATA.search(page).group(2))
    pattern = data["heads"]
    query = next(head for head in pattern if head["kind"] == "q" and "logits" in head)
    key = next(head for head in pattern if head["kind"] == "k")
    data["heads"] = []
    for i in range(count):
        layer, place = i // 40 % 32, i % 40
        head = dict(query if place < 32 else key)
        number = place if place < 32 else place - 32
        head.update(layer=layer, head=number, name=f"l{layer:02}h{number:02}{head['kind']}")
        head["links"] = [f"l{layer:02}h{number // 4:02}k"] if head["kind"] == "q" else [f"l{layer:02}h{number * 4 + j:02}q" for j in range(4)]
        head["metrics"] = [None if m is None else m * (1 + 0.01 * ((i * 7919) % 101)) for m in head["metrics"]]
        data["heads"].append(head)
    text = json.dumps(data).replace("<", "\\u003c")
    return DATA.sub(lambda match: match.group(1) + text + match.group(3), page)


def check_charts(browser, where):
    """Scrolls through the page: every figure gets a chart with something on it."""
    browser.evaluate("document.querySelectorAll('figure').forEach((figure) => figure.scrollIntoView())")
    for i in range(browser.evaluate("document.querySelectorAll('figure').length")):
        browser.evaluate(f"document.querySelectorAll('figure')[{i}].scrollIntoView()")
        browser.settle()
    empty = browser.evaluate("""[...document.querySelectorAll('figure')].filter((figure) => {
      const canvas = figure.querySelector('canvas');
      if (!canvas || !canvas.width) return true;
      const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
      copy.drawImage(canvas, 0, 0);
      const seen = new Set(new Uint32Array(copy.getImageData(0, 0, canvas.width, canvas.height).data.buffer));
      return seen.size < 3;
    }).map((figure) => figure.querySelector('h3').textContent)""")
    check(empty == [], f"{where}: every chart is drawn, but not {empty}")
    browser.evaluate("scrollTo(0, 0)")


def check_map(browser):
    title = "document.getElementById('head-title').textContent"
    metrics = browser.evaluate("[...document.getElementById('metric').options].map((option) => option.text)")
    check(len(metrics) >= 8, "a choice of metrics")
    paintings = set()
    for i, metric in enumerate(metrics):
        browser.evaluate(f"(() => {{ const s = document.getElementById('metric'); s.value = '{i}'; s.dispatchEvent(new Event('change')); }})()")
        label = browser.evaluate("document.querySelector('#map button').getAttribute('aria-label')")
        check(metric in label, f"the map tells {metric}: {label}")
        paintings.add(browser.evaluate("[...document.querySelectorAll('#map button')].map((b) => b.style.background).join()"))
    check(len(paintings) > len(metrics) // 2, "metrics colour the map differently")
    names = set()
    for i in range(browser.evaluate("document.querySelectorAll('#map button').length")):
        browser.evaluate(f"document.querySelectorAll('#map button')[{i}].click()")
        names.add(browser.evaluate(title))
    check(len(names) == browser.evaluate("document.querySelectorAll('#map button').length"), "every cell opens its head")
    check(browser.evaluate("document.querySelectorAll('#map button[aria-pressed=true]').length") == 1, "one cell is marked")


def check_links(browser):
    title = "document.getElementById('head-title').textContent"
    browser.evaluate("document.querySelector('#map button').click()")
    query = browser.evaluate(title)
    browser.evaluate("document.querySelector('#head-note a').click()")
    check("key head" in browser.evaluate(title), "a query head leads to its key head")
    check(browser.evaluate("document.querySelector('input[name=kind][value=k]').checked"), "the map follows to the keys")
    back = browser.evaluate("[...document.querySelectorAll('#head-note a')].map((a) => a.textContent)")
    check(any(query.startswith(name) for name in back), "the key head leads back")


def check_details(browser):
    for i in range(browser.evaluate("document.querySelectorAll('details').length")):
        browser.evaluate(f"document.querySelectorAll('details')[{i}].open = true")
    browser.settle()
    without = browser.evaluate("[...document.querySelectorAll('figure details')].filter((d) => d.querySelectorAll('tbody tr').length < 1).length")
    check(without == 0, "every chart has its numbers as a table")
    browser.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = false; })")


def check_keyboard(browser):
    active = "document.activeElement.id || document.activeElement.getAttribute('aria-label') || document.activeElement.textContent"
    browser.evaluate("document.querySelector('input[name=kind][value=q]').click()")
    browser.evaluate("document.querySelector('.skip').focus()")
    stops = []
    for _ in range(12):
        browser.press("Tab")
        stops.append(browser.evaluate(active))
    for wanted in ("theme", "metric", "find"):
        check(wanted in stops, f"Tab reaches {wanted}: {stops}")
    browser.evaluate("document.querySelector('#map button[tabindex=\"0\"]').focus()")
    browser.press("Home")
    first = browser.evaluate(active)
    browser.press("ArrowDown")
    second = browser.evaluate(active)
    browser.press("End")
    last = browser.evaluate(active)
    check(len({first, second, last}) == 3, f"arrow keys, Home and End move through the map: {first}, {second}, {last}")
    browser.press("Enter")
    check(browser.evaluate("document.getElementById('head-title').textContent").startswith(last.split(":")[0]), "Enter opens the head")
    check(browser.evaluate("document.activeElement.id") == "head-title", "the focus goes to what was opened")
    browser.evaluate("(() => { const m = document.getElementById('metric'); m.value = '0'; m.focus(); })()")
    browser.press("s", "s")
    check(browser.evaluate("document.getElementById('metric').value") != "0", "letters choose a metric")
    browser.evaluate("document.querySelector('input[name=kind]:checked').focus()")
    browser.press("ArrowRight")
    check(browser.evaluate("document.querySelector('input[name=kind]:checked').value") == "k", "arrow keys switch to the keys")
    browser.evaluate("document.querySelector('figure summary').focus()")
    browser.press("Enter")
    browser.settle()
    check(browser.evaluate("document.querySelector('figure details').open"), "Enter opens the numbers")


def check_find(browser):
    name = browser.evaluate("document.getElementById('names').lastElementChild.value")
    browser.evaluate("document.getElementById('find').focus()")
    browser.type(name)
    browser.press("Enter")
    check(browser.evaluate("document.getElementById('head-title').textContent").startswith(name), "Go to opens a head by name")
    browser.evaluate("(() => { const f = document.getElementById('find'); f.value = ''; f.focus(); })()")
    browser.type("l99h99q")
    browser.press("Enter")
    check(browser.evaluate("document.getElementById('find').getAttribute('aria-invalid')") == "true", "Go to marks what there is not")


def check_looks(browser, screenshots):
    for scheme in ("light", "dark"):
        browser.prefer(scheme)
        check(browser.evaluate("document.documentElement.dataset.theme") == scheme, f"{scheme} as the system asks")
        poor = browser.evaluate(CONTRAST)
        check(poor == [], f"{scheme}: text has contrast 4.5 or more, but {poor}")
        for width in (1280, 360):
            browser.size(width)
            wide = browser.evaluate("document.documentElement.scrollWidth")
            check(wide <= width, f"{scheme}: nothing sticks out at {width} pixels ({wide})")
            check_charts(browser, f"{scheme} at {width}")
            if screenshots:
                browser.screenshot(screenshots / f"{scheme}-{width}.png")
    browser.size(1280)
    browser.evaluate("(() => { const t = document.getElementById('theme'); t.value = 'light'; t.dispatchEvent(new Event('change')); })()")
    check(browser.evaluate("document.documentElement.dataset.theme") == "light", "the choice of colours overrides the system")


def main():
    report = Path(sys.argv[1]).resolve()
    screenshots = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    if screenshots:
        screenshots.mkdir(parents=True, exist_ok=True)
    with Chromium() as browser, tempfile.TemporaryDirectory() as folder:
        browser.size(1280)
        browser.open(report.as_uri())
        check(browser.evaluate("document.documentElement.dataset.ready") == "true", "the page is complete when it has loaded")
        for part in (check_map, check_links, check_details, check_keyboard, check_find):
            part(browser)
        check_looks(browser, screenshots)
        many = Path(folder) / "many.html"
        many.write_text(with_many_heads(report.read_text(), 1280))
        start = time.monotonic()
        browser.open(many.as_uri())
        seconds = time.monotonic() - start
        check(browser.evaluate("document.querySelectorAll('#map button').length") == 1024, "a map of 1,024 query heads")
        check(seconds < 5, f"1,280 heads open in {seconds:.1f} s")
        if screenshots:
            browser.settle()
            browser.screenshot(screenshots / "many.png", whole=False)
        check(browser.complaints == [], f"no complaints: {browser.complaints}")
        outside = [url for url in browser.requests if not url.startswith(("file:", "data:", "about:", "blob:"))]
        check(outside == [], f"no network: {outside}")
    print(f"check_report: 1,280 heads open in {seconds:.1f} s; {len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
