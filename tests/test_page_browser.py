"""The page in a real browser, headless Chromium: each state that its URL can name, what hands do, and that it draws what Python draws."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import CHROMIUM, Browser
from pictured import NASTY, PICTURES, bad_tanh, by_hand, example, random_graph

import tinygrad_lite as tl
from tinygrad_lite import verify, viz
from tinygrad_lite.viz.drawing import scene, stage
from tinygrad_lite.viz.drawing.ink import path as edge_path
from tinygrad_lite.viz.passes import collapse, inline_parameters, opened_to_fit

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as window:
        yield window


@pytest.fixture(scope="module")
def pages(tmp_path_factory: Any) -> Any:
    """name -> a page, written once."""
    folder, made = tmp_path_factory.mktemp("pages"), dict[str, Path]()

    def page(name: str) -> Path:
        if name not in made:
            made[name] = PAGES[name]().save(folder / f"{name}.html")
        return made[name]

    return page


def trained(name: str, **options: Any) -> Any:
    _, loss_of = example(name, steps=30)
    loss = loss_of()
    loss.backward()
    return viz.draw(loss, **options)


def audited() -> Any:
    loss, leaves = by_hand(bad_tanh)
    loss.backward()
    return viz.draw(loss, color=verify.audit(loss), names=leaves)


def nasty() -> Any:
    x = tl.tensor(np.array([np.nan, np.inf, -np.inf, 1.0]), requires_grad=True, name=NASTY)
    return viz.draw((x * 2).sum(), title="</script><script>alert(1)</script><!--")


PAGES = {"mlp": lambda: trained("mlp"), "rnn": lambda: trained("rnn"), "gpt": lambda: trained("gpt", depth=1), "gpt_fits": lambda: trained("gpt"),
         "lenet": lambda: trained("lenet"), "audit": audited, "nasty": nasty, "before": lambda: viz.draw(example("mlp")[1]())}


@pytest.fixture(autouse=True)
def nothing_said(request: Any) -> Iterator[None]:
    """No error, no warning, no request to any network, in any of these tests."""
    window = request.getfixturevalue("browser")
    window.said.clear()
    yield
    assert window.said == []


# ---- the page draws what Python draws

def drawn(browser: Browser) -> dict[str, Any]:
    """id -> the elements of what stands in the page, as (tag, attributes, text) one after the other."""
    text = browser.value("new XMLSerializer().serializeToString(document.getElementById('world'))")
    layers = {layer.get("class"): list(layer) for layer in ElementTree.fromstring(text)}
    named = {g.get("id"): flat(g) for name in ("boxes", "edges", "cards") for g in layers[name]}
    return {**named, "labels": [row for node in layers["labels"] for row in flat(node)]}


def flat(node: Any) -> list[Any]:
    extra = ("id", "class", "tabindex", "role", "aria-label")  # of the page alone
    same = lambda v: v.removesuffix(".0")  # noqa: E731  a width of 1.0 is one of 1
    return [(e.tag.removeprefix(SVG), {k: same(v) for k, v in e.attrib.items() if k not in extra}, (e.text or "").strip()) for e in node.iter()]


def in_svg(picture: Any) -> dict[str, Any]:
    tree = ElementTree.fromstring(picture.svg)
    named = {g.get("id").partition("-")[2]: flat(g) for g in tree if g.get("id")}
    last = max(i for i, node in enumerate(tree) if node.get("id"))
    count = 2 * sum(edge.label_at is not None for edge in picture.scene.edges)
    return {**named, "labels": [row for node in list(tree)[last + 1:last + 1 + count] for row in flat(node)]}


@pytest.mark.parametrize("name", [name for name, _ in PICTURES])
def test_the_first_paint_is_the_svg_of_the_picture(browser: Browser, tmp_path: Path, name: str) -> None:
    picture = dict(PICTURES)[name]
    browser.open(picture.save(tmp_path / "page.html"))
    here, there = drawn(browser), in_svg(picture)
    assert list(here) == list(there)
    for key in there:
        assert here[key] == there[key], key
    assert browser.value("[title.textContent, subtitle.textContent]") == [picture.scene.title.replace("\0", "\ufffd"), picture.scene.subtitle]
    assert browser.value("[...legend.children].map(key => key.textContent)") == [key.text for key in picture.scene.legend]


def places(s: Any, sideways: bool = False) -> dict[str, Any]:
    return {"size": [s.width, s.height], "subtitle": s.subtitle, "legend": [[key.look, key.text] for key in s.legend],
            "cards": [[p.face.number, p.x, p.y, p.face.width, p.face.height, p.face.badge, p.box] for p in s.cards],
            "boxes": [[b.number, b.x, b.y, b.width, b.height, b.title_x, b.title_y, b.parent, b.level] for b in s.boxes],
            "edges": [[e.source, e.target, edge_path(e, sideways), e.label, list(e.label_at) if e.label_at else None, e.main, e.loop, e.tip]
                      for e in s.edges]}


PLACES = """(opened => { const s = sceneOf(new Set(opened), D.mode); return {
  size: [s.width, s.height], subtitle: s.subtitle, legend: s.legend.map(key => [key.look, key.text]),
  cards: s.cards.map(c => [c.n, c.x, c.y, c.w, c.h, c.badge ?? '', c.box]),
  boxes: s.boxes.map(b => [b.n, b.x, b.y, b.w, b.h, ...b.titleAt, b.up, b.level]),
  edges: s.edges.map(e => [e.source, e.target, pathOf(e), e.text, e.textAt, e.main, e.loop, e.tip]) }; })"""


def graphs() -> dict[str, Any]:
    made = {f"random {seed}": random_graph(seed) for seed in range(40)}
    for name in ("rnn", "gpt"):
        made[name] = example(name, steps=20, depth=2)[1]()
        made[name].backward()
    return made


@pytest.mark.parametrize("sideways", [False, True], ids=["down", "sideways"])
@pytest.mark.parametrize("name", [*[f"random {seed}" for seed in range(40)], "rnn", "gpt"])
def test_any_modules_open_and_close_to_the_places_that_python_gives(browser: Browser, tmp_path: Path, name: str, sideways: bool) -> None:
    root = graphs()[name] if name in ("rnn", "gpt") else random_graph(int(name.split()[1]))
    browser.open(viz.draw(root, direction="LR" if sideways else "TB", max_nodes=40).save(tmp_path / "page.html"))
    set_ = stage(root, max_nodes=40)
    f, rng = set_.flow, np.random.default_rng(7)
    everything = frozenset(range(len(f.calls)))
    states = [frozenset(), everything, opened_to_fit(f, 20)] + [frozenset(np.flatnonzero(rng.random(len(f.calls)) < share).tolist())
                                                               for share in (0.3, 0.5, 0.7, 0.8, 0.9)]
    for opened in dict.fromkeys(states):
        view = inline_parameters(collapse(f, opened))
        wanted = places(scene(view, set_.facts, set_.title, set_.subtitle(len(view.tiles)), set_.mode, None, sideways), sideways)
        got = browser.value(f"{PLACES}({sorted(opened)})")
        for part in wanted:
            assert got[part] == wanted[part], (part, sorted(opened))


# ---- each state that a URL names

def cards(browser: Browser) -> set[str]:
    return set(browser.value("[...document.querySelectorAll('#world .card')].map(g => g.id)"))


def marked(browser: Browser, name: str) -> set[str]:
    return set(browser.value(f"[...document.querySelectorAll('#world .{name}')].map(g => g.id)"))


def called(browser: Browser, path: str) -> int:
    """Number of the module call with this path."""
    return int(browser.value(f"D.calls.findIndex(call => call.path === '{path}')"))


def test_the_hash_says_which_modules_stand_open(browser: Browser, pages: Any) -> None:
    browser.open(pages("gpt"))
    attn, block = called(browser, "blocks.0.attn"), called(browser, "blocks.0")
    assert f"nm{block}" in cards(browser)
    browser.open(pages("gpt"), f"open={attn}")
    boxes = set(browser.value("[...document.querySelectorAll('.box')].map(g => g.id)"))
    assert {f"b{attn}", f"b{block}", "b0"} <= boxes  # what is around it opens too
    assert f"nm{block}" not in cards(browser)
    assert "softmax" in browser.value("[...document.querySelectorAll('.card text')].map(t => t.textContent)")
    browser.shot("gpt, attention open")
    browser.open(pages("gpt"), "open=")
    assert len(cards(browser)) < 6
    browser.open(pages("gpt"), "open=99999,-3,x&mode=none&at=n99&step=-4&view=a,b,c&find=%00")  # a hash is anybody's text
    assert len(cards(browser)) > 1


@pytest.mark.parametrize("name", ["mlp", "audit", "rnn"])
def test_the_slider_plays_the_backward_pass_step_by_step(browser: Browser, pages: Any, name: str) -> None:
    browser.open(pages(name))
    steps = browser.value("D.steps.map(([tile, round, op]) => [tile, D.ops[op].name])")
    assert int(browser.value("slider.max")) == len(steps) > 4
    lit: set[str] = set()
    for i, (tile, op) in enumerate(steps[:40], 1):
        browser.value(f"slider.value = {i}, slider.dispatchEvent(new Event('input'))")
        assert marked(browser, "now") == {f"n{tile}"}
        assert browser.value("document.querySelector('#said b').textContent") == f"step {i} / {len(steps)}"
        assert browser.value("document.querySelector('#said .op').textContent") == op
        assert lit | {f"n{tile}"} <= marked(browser, "lit"), "what was reached stays lit"
        lit = marked(browser, "lit")
    browser.value("goTo(2)")
    assert len(marked(browser, "flow")) == 1
    browser.shot(f"{name}, backward pass")
    browser.open(pages(name), "step=2")
    assert marked(browser, "now") == {f"n{steps[1][0]}"}
    browser.open(pages(name), "step=1e9")
    assert int(browser.value("state.step")) == len(steps)


def test_the_order_played_is_the_order_of_the_sweep_with_what_came_and_what_was_sent(browser: Browser, pages: Any) -> None:
    browser.open(pages("audit"), "step=4")
    names = browser.value("D.steps.map(step => D.ops[step[2]].name)")
    assert names == ["mean", "multiply", "matmul", "tanh", "add", "matmul"]
    said = browser.value("said.textContent")
    assert "step 4 / 6tanh" in said
    assert "x: g * (1 - y)" in said  # the wrong rule, as its author wrote it
    incoming = browser.value("D.steps.map(step => step[3])")
    sent = browser.value("D.steps.map(step => step[4].map(([, name, rms]) => rms))")
    assert [incoming[i + 1] in sent[i] for i in range(5)] == [True] * 5  # what one sends along the spine is what the next one gets


def test_a_closed_module_lights_up_for_what_happens_inside(browser: Browser, pages: Any) -> None:
    browser.open(pages("gpt"))
    total, seen = browser.value("D.steps.length"), set[str]()
    for step in range(1, total + 1):
        browser.value(f"goTo({step})")
        now = marked(browser, "now")
        assert len(now) == 1
        seen |= now
    ops = {name for name in cards(browser) if browser.value(f"FACES.get({name[1:] if name[1] != 'm' else -1 - int(name[2:])}).op !== undefined")}
    assert seen == ops


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_colours_are_switched_in_the_page_and_nothing_moves(browser: Browser, pages: Any, dark: bool) -> None:
    browser.open(pages("audit"), dark=dark)
    assert browser.value("[...mode.options].map(o => o.value)") == ["op", "audit", "grad"]
    tanh = "[...document.querySelectorAll('.card')].find(g => g.textContent.includes('tanh')).querySelector('.frame')"
    here = browser.value(f"[mode.value, {tanh}.getAttribute('stroke'), {tanh}.getAttribute('x')]")
    assert here[:2] == ["audit", "#FF7A5C" if dark else "#CC3311"]
    looks = {}
    for mode in ("op", "grad"):
        browser.value(f"mode.value = '{mode}', mode.dispatchEvent(new Event('change'))")
        looks[mode] = browser.value(f"{tanh}.getAttribute('stroke')")
        assert browser.value(f"{tanh}.getAttribute('x')") == here[2]
    assert looks == {"op": "#C49DEB" if dark else "#7A4FA3", "grad": "#8FB0DB" if dark else "#3D5A80"}
    assert "log scale" in browser.value("legend.textContent")
    browser.shot(f"audit, gradients, {'dark' if dark else 'light'}")


def test_dark_is_the_systems_choice_until_it_is_the_readers(browser: Browser, pages: Any) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    browser.open(pages("mlp"), dark=True)
    assert browser.value(paper) == "rgb(20, 26, 33)"
    browser.shot("mlp, dark")
    browser.click("#theme")
    assert browser.value(paper) == "rgb(255, 255, 255)"
    browser.until("location.hash.includes('dark=0')")
    browser.open(pages("mlp"), "dark=1")
    assert browser.value(paper) == "rgb(20, 26, 33)"


def test_every_colour_of_the_picture_has_one_for_the_dark(browser: Browser, pages: Any) -> None:
    for name in ("audit", "gpt", "rnn", "lenet"):
        browser.open(pages(name), "dark=1")
        used = set(browser.value("[...document.querySelectorAll('#world *')].flatMap(e => [e.getAttribute('fill'), e.getAttribute('stroke')])"))
        assert used <= set(browser.value("Object.values(DARK)")) | {None, "none"}


def test_search_finds_what_shows_and_what_is_inside_closed_modules(browser: Browser, pages: Any) -> None:
    browser.open(pages("gpt"), "find=gelu")
    blocks = {f"nm{called(browser, f'blocks.{i}')}" for i in range(4)}
    assert marked(browser, "found") == set()
    assert marked(browser, "holds") == blocks
    assert browser.value("document.getElementById('found').textContent") == "16 found"  # four ops of each block's line with gelu in it
    browser.click("#find")
    browser.press("Enter")
    assert len(marked(browser, "found")) == 4
    assert marked(browser, "at") <= marked(browser, "found")  # opened, and selected
    assert len(marked(browser, "holds")) == 3
    for _ in range(16):
        browser.press("Enter")
    assert len(marked(browser, "found")) == 16
    browser.shot("gpt, found")
    browser.open(pages("gpt"), "find=no such thing")
    assert browser.value("document.getElementById('found').textContent") == "0 found"
    assert "finding" not in browser.value("canvas.className.baseVal")


# ---- hands

def test_a_module_opens_and_closes_where_the_reader_stands(browser: Browser, pages: Any) -> None:
    browser.open(pages("gpt"))
    block = called(browser, "blocks.0")
    before, (x, y) = cards(browser), browser.middle(f"#nm{block} .frame")
    top = browser.value(f"document.querySelector('#nm{block} .frame').getBoundingClientRect().top")
    browser.click(f"#t{block}")
    assert f"nm{block}" not in cards(browser)
    box = browser.value(f"(r => [r.x + r.width / 2, r.top])(document.querySelector('#b{block} .frame').getBoundingClientRect())")
    assert box == pytest.approx([x, top], abs=1.5)  # a pixel
    browser.click(f"#t{block}")
    assert cards(browser) == before
    assert browser.middle(f"#nm{block} .frame") == pytest.approx((x, y), abs=1.5)
    browser.press("Escape")
    browser.click(f"#nm{block} .frame")
    assert marked(browser, "at") == {f"nm{block}"}
    browser.click(f"#nm{block} .frame")  # once more opens
    assert f"b{block}" in marked(browser, "at")
    browser.until(f"location.hash.includes('at=b{block}')")
    hash_ = browser.value("location.hash")[1:]
    after = cards(browser)
    browser.open(pages("gpt"), hash_)
    assert cards(browser) == after
    browser.click("#reset")
    assert cards(browser) == before
    browser.click("#all")
    assert not [name for name in cards(browser) if name.startswith("nm")]
    browser.shot("gpt, all open")


def test_the_keyboard_reaches_everything(browser: Browser, pages: Any) -> None:
    browser.open(pages("gpt"))
    block = called(browser, "blocks.0")
    view = browser.value("state.view")
    browser.press("ArrowRight")
    browser.press("ArrowDown")
    assert browser.value("state.view") == [view[0] - 60, view[1] - 60, view[2]]
    browser.press("+")
    assert browser.value("state.view")[2] == pytest.approx(view[2] * 1.25)
    browser.press("-")
    browser.press("0")
    corners = "(e => (r => [r.left, r.top, r.right, r.bottom])(e.getBoundingClientRect()))"
    boxes = browser.value(f"[...document.querySelectorAll('.card .frame')].map({corners})")
    left, top, right, bottom = browser.value(f"{corners}(canvas)")
    assert all(left <= a and top <= b and c <= right and d <= bottom for a, b, c, d in boxes)
    browser.value(f"document.getElementById('nm{block}').focus()")
    browser.press("Enter")
    assert f"b{block}" == browser.value("document.activeElement.id")
    browser.press(" ")
    assert f"nm{block}" == browser.value("document.activeElement.id")
    browser.press("]")
    assert browser.value("state.step") == 1
    browser.press("/")
    assert browser.value("document.activeElement.id") == "find"
    browser.press("m")
    browser.press("Escape")
    assert browser.value("[state.find, document.activeElement.id]") == ["", ""]
    browser.press("Escape")
    assert browser.value("[state.step, state.at]") == [0, None]


def test_the_mouse_moves_zooms_and_shows_what_is_under_it(browser: Browser, pages: Any) -> None:
    browser.open(pages("mlp"))
    x, y, k = browser.value("state.view")
    for kind, place in (("mousePressed", (60, 300)), ("mouseMoved", (90, 320)), ("mouseMoved", (110, 340)), ("mouseReleased", (110, 340))):
        browser.mouse(kind, *place, button="left", clickCount=1)
    assert browser.value("state.view") == pytest.approx([x + 50, y + 40, k])
    assert browser.value("state.at") is None  # a drag selects nothing
    point = browser.middle("#n4 .frame")
    browser.mouse("mouseMoved", *point)
    assert browser.value("panel.querySelector('h2').textContent").startswith("linear16×16")
    assert browser.value("panel.querySelectorAll('canvas').length") == 6  # value and gradient, of the result, of weight and of bias
    browser.mouse("mouseWheel", *point, deltaX=0, deltaY=-200)
    assert browser.value("state.view")[2] == pytest.approx(k * np.exp(0.3))
    assert browser.middle("#n4 .frame") == pytest.approx(point, abs=1.0)  # what is under the mouse stays there


def test_a_heat_map_shows_the_numbers(browser: Browser, tmp_path: Path) -> None:
    x = tl.tensor(np.array([[1.0, -1.0], [0.0, np.nan]]), requires_grad=True, name="x")
    browser.open(viz.draw(x + 1).save(tmp_path / "page.html"), "at=n1")
    blue, orange, white, red = browser.value("""(c => { const all = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        return [[4, 4], [44, 4], [4, 44], [54, 40]].map(([x, y]) => 4 * (y * c.width + x)).map(i => [...all.slice(i, i + 3)]);
    })(panel.querySelector('canvas'))""")
    assert (blue, orange, white) == ([0x00, 0x6B, 0xB5], [0xEE, 0x77, 0x33], [255, 255, 255])
    assert red[0] > 180
    assert red[2] < 60
    said = browser.value("[...D.tiles[0].cells[0][6]].map(c => about(D.code.indexOf(c), D.tiles[0].cells[0][5]))")
    assert said == ["≈ 1.0", "≈ −1.0", "≈ 0.0", "nan"]


def test_on_a_phone_fingers_move_pinch_and_select(browser: Browser, pages: Any) -> None:
    browser.open(pages("mlp"), size=(390, 844), touch=True)
    assert browser.value("document.documentElement.scrollWidth") <= 390
    for selector in ("#find", "#mode", "#fit", "#theme", "#play", "#step"):
        right = browser.value(f"document.querySelector('{selector}').getBoundingClientRect().right")
        assert right <= 390, selector
    browser.shot("mlp, phone")
    x, y, k = browser.value("state.view")
    browser.touch("touchStart", (200, 300))
    browser.touch("touchMove", (200, 330))
    browser.touch("touchMove", (200, 350))
    browser.touch("touchEnd")
    assert browser.value("state.view[1]") > y + 15
    browser.touch("touchStart", (150, 300), (250, 300))
    browser.touch("touchMove", (100, 300), (300, 300))
    browser.touch("touchEnd")
    assert browser.value("state.view[2]") == pytest.approx(2 * k, rel=0.02)
    browser.value("fit(true), place()")
    browser.click("#n4 .frame")
    assert marked(browser, "at") == {"n4"}
    left, right, top, bottom = browser.value("(r => [r.left, r.right, r.top, r.bottom])(panel.getBoundingClientRect())")
    assert (left, right) == (0, 390)
    assert browser.value(f"[0.1, 0.3, 0.5, 0.9].every(t => panel.contains(document.elementFromPoint(195, {top} + t * ({bottom} - {top}))))")
    assert bottom <= browser.value("document.querySelector('footer').getBoundingClientRect().top") + 0.5
    browser.shot("mlp, phone, a card")
    browser.click(".dismiss")
    assert browser.value("getComputedStyle(panel).display") == "none"


# ---- names are data

@pytest.mark.parametrize("find", ["", "find=script"])
def test_names_with_markup_stay_text(browser: Browser, pages: Any, find: str) -> None:
    browser.open(pages("nasty"), f"at=n1&{find}")
    assert browser.value("document.querySelectorAll('script').length") == 2
    assert browser.value("document.title") == browser.value("title.textContent") == "</script><script>alert(1)</script><!--"
    assert "<script>alert(1)" in browser.value("panel.textContent")
    assert browser.value("panel.querySelectorAll('script, img, iframe').length") == 0
    browser.shot("names that look like markup")


def test_before_backward_nothing_is_played_and_the_page_says_why(browser: Browser, pages: Any) -> None:
    browser.open(pages("before"))
    assert browser.value("[byId('play').disabled, slider.disabled]") == [True, True]
    assert browser.value("said.textContent") == "the backward pass cannot be played: no gradient yet"


@pytest.mark.parametrize("name", list(PAGES))
def test_pictures_of_each_page_for_a_person_to_look_at(browser: Browser, pages: Any, name: str) -> None:
    for how, options in (("light", {}), ("dark", {"dark": True}), ("phone", {"size": (390, 844), "touch": True})):
        browser.open(pages(name), **options)
        assert browser.shot(f"{name}, {how}").stat().st_size > 5000
        overlap = browser.value("""(() => { const r = [...document.querySelectorAll('.card .frame')].map(f => f.getBoundingClientRect());
            return r.some((a, i) => r.slice(i + 1).some(b => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)); })()""")
        assert not overlap
