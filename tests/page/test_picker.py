"""The card of a cat: ways to bring a photo, the square on it, what is said, in a real browser."""

import math
from base64 import b64decode, b64encode
from io import BytesIO
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from PIL import Image, ImageOps
from playwright.sync_api import Locator, Page, expect

from catvae.files import EXAMPLES
from catvae.page.cutting import cut_at, on_photo
from catvae.photos.decode import open_image
from catvae.photos.faces import Face, align, find_faces, to_shares, whole_picture
from catvae.serving.links import CATS
from catvae.serving.texts import TEXTS
from tests.conftest import CHROMIUM, FLAGS, ROOT, draw_cat
from tests.page.test_page import choose_cat, expect_other_frames, frames, open_more

CHELSEA = EXAMPLES / "chelsea.jpg"
FACE = "card => card.cat.face.toDataURL()"


@pytest.fixture
def cat(tmp_path) -> Path:
    """A photo of a cat that is no example, with room around its face."""
    ImageOps.expand(Image.open(CHELSEA), 300, "tan").save(tmp_path / "mine.jpg", quality=90)
    return tmp_path / "mine.jpg"


def card_of(page: Page, letter: str = "A") -> Locator:
    return page.locator(f"kitten-cat[side={letter.lower()}]")


def bring(page: Page, path: Path, letter: str = "A") -> Locator:
    """Choose a file with the button of that cat's card, and wait for its face."""
    card = card_of(page, letter)
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name=f"Use my photo as Cat {letter}").click()
    chooser.value.set_files(path)
    expect(card.locator(".waits")).to_have_count(0)
    expect(page.locator("#morph kitten-morph[data-mix=shown]")).to_have_count(1)
    return card


def face_on(card: Locator) -> np.ndarray:
    """The face that a card shows, (64, 64, 3) of 0 to 255."""
    return pixels(card.evaluate(FACE))


def pixels(uri: str) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(b64decode(uri.partition(",")[2]))).convert("RGB"), dtype=int)


def cut_by(photo: Image.Image, square: dict[str, float]) -> np.ndarray:
    x, y, side = square["x"] * photo.width, square["y"] * photo.height, square["side"] * photo.width
    box = (x - side / 2, y - side / 2, x + side / 2, y + side / 2)
    return np.asarray(align(photo, Face(box, 0.0, square["turn"])), dtype=int)


def square_on(card: Locator) -> dict[str, float]:
    """Where the square is drawn, in shares of the photo and degrees."""
    style = card.locator(".square").evaluate("e => [e.style.left, e.style.top, e.style.width, e.style.rotate]")
    x, y, side, turn = (float(value.rstrip("%deg")) for value in style)
    return {"x": x / 100, "y": y / 100, "side": side / 100, "turn": turn}


def test_a_square_cuts_what_it_frames():
    photo = open_image(CHELSEA)
    for face in (find_faces(photo)[0], whole_picture(photo)):
        cut = cut_at("A", str(CHELSEA), to_shares(face, photo), TEXTS["en"])
        assert np.abs(np.asarray(cut, int) - np.asarray(align(photo, face), int)).max() <= 1


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"side": 0},
        {"side": -1},
        {"side": 9},
        {"side": 1e308},
        {"x": 1.01},
        {"y": -0.01},
        {"turn": math.nan},
        {"x": "0.5"},
        {"x": None},
        "square",
        [0.5, 0.5, 0.5, 0],
        7,
    ],
)
def test_what_is_no_square_is_refused_in_words(bad):
    square = {"x": 0.5, "y": 0.5, "side": 0.5, "turn": 0.0, **bad} if isinstance(bad, dict) and bad else bad
    with pytest.raises(gr.Error) as refused:
        cut_at("A", str(CHELSEA), square, TEXTS["es"])
    assert refused.value.message == TEXTS["es"]["bad_square"]


def test_the_page_draws_a_copy_of_1024_pixels_that_keeps_the_shape(tmp_path):
    told, copy, _ = on_photo(Image.new("RGB", (1500, 900), "tan"))
    assert copy.size == (1024, 614) and told["number"] == 0 and told["faces"] == []


def test_examples_and_newborns_are_said_to_be_what_they_are(open_page):
    page = open_page()
    card = card_of(page)
    for name, said in (("kitten-03", "Kitten 3, painted by a model"), ("chelsea", "Chelsea, a real cat")):
        choose_cat(page, name)
        expect(card.locator(".about")).to_contain_text(said)
    page.get_by_role("button", name="Newborn kittens").click()
    expect(card.locator(".about")).to_contain_text("newborn: painted by the model")
    expect(card.locator(".adjust")).to_be_hidden()


def test_one_click_brings_a_photo_and_one_replaces_it(open_page, cat, tmp_path):
    page = open_page(390, 844)
    assert page.get_by_role("button", name="Use my photo as Cat A").bounding_box()["height"] >= 40
    before = frames(page)
    card = bring(page, cat)
    expect(card.locator(".about")).to_contain_text("Cat face found.")
    expect_other_frames(page, before)
    photo = open_image(cat)
    assert np.abs(face_on(card) - np.asarray(align(photo, find_faces(photo)[0]), int)).max() <= 1
    draw_cat(5).save(tmp_path / "other.png")
    before = frames(page)
    bring(page, tmp_path / "other.png")
    expect_other_frames(page, before)
    assert (face_on(card) == np.asarray(draw_cat(5), int)).all()
    expect(card.locator(".about")).to_have_text("Cat A · your photo")
    expect(card.locator(".adjust")).to_be_hidden()  # it is a face already


def test_the_square_is_moved_sized_and_turned_by_mouse_and_keys(open_page, cat):
    page = open_page(query="/?full=0")
    card, photo = bring(page, cat), open_image(cat)
    page.get_by_role("button", name="Adjust the square of Cat A").click()
    square, cut = card.locator(".square"), card.locator("canvas.cut")
    expect(square).to_be_focused()
    first, shown = square_on(card), "canvas => canvas.toDataURL()"

    def changed(act) -> dict[str, float]:
        """The square after something was done to it, and its face is the one cut from the photo there."""
        before, live = card.evaluate(FACE), cut.evaluate(shown)
        act()
        page.wait_for_function(f"([canvas, live]) => ({shown})(canvas) !== live", arg=[cut.element_handle(), live])
        page.wait_for_function(f"([card, before]) => ({FACE})(card) !== before", arg=[card.element_handle(), before])
        assert np.abs(face_on(card) - cut_by(photo, square_on(card))).max() <= 2
        drawn = pixels(cut.evaluate(shown))
        assert np.abs(drawn - face_on(card)).mean() < 8  # the browser's cut is the server's but for how it shrinks
        return square_on(card)

    def drag(handle: Locator, right: float, down: float) -> None:
        box = handle.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + right, y + down, steps=4)
        page.mouse.up()

    width = card.locator(".stage").bounding_box()["width"]
    moved = changed(lambda: drag(square, 40, -20))
    assert moved["x"] - first["x"] == pytest.approx(40 / width, abs=0.005) and moved["turn"] == first["turn"]
    sized = changed(lambda: drag(card.locator(".size"), -30, -30))
    assert sized["side"] < moved["side"] - 0.05 and sized["x"] == moved["x"]
    turned = changed(lambda: drag(card.locator(".square .turn"), 60, 0))
    assert turned["turn"] > sized["turn"] + 5 and turned["side"] == sized["side"]
    square.hover()
    larger = changed(lambda: page.mouse.wheel(0, -200))
    assert larger["side"] > turned["side"]

    for key, sign, what in (("ArrowRight", 1, "x"), ("ArrowUp", -1, "y"), ("+", 1, "side"), ("[", -1, "turn")):
        before = square_on(card)
        after = changed(lambda key=key: square.press(key))
        assert (after[what] - before[what]) * sign > 0
        assert all(after[other] == before[other] for other in {*before} - {what})
    far = changed(lambda: drag(square, -2000, 0))
    inside = far["side"] / 2 * sum(abs(f(math.radians(far["turn"]))) for f in (math.cos, math.sin))
    assert far["x"] == pytest.approx(inside, abs=0.002)  # all of it stays on the photo
    expect(card.locator(".refusal:visible")).to_have_count(0)
    expect(card.locator(".side .note")).to_have_text("Cut by hand.")

    changed(lambda: page.get_by_role("button", name="Whole picture").click())
    expect(card.locator(".side .note")).to_have_text("The middle of the whole picture.")
    changed(lambda: page.get_by_role("button", name="Found face").click())
    assert square_on(card) == first
    before = frames(page)
    square.press("-")
    page.get_by_role("button", name="Done").click()
    expect(card.locator("dialog.cutting")).to_be_hidden()
    expect_other_frames(page, before)  # what was done last counts though the dialogue is gone


@pytest.mark.parametrize("way", ["Escape", "Cancel", "Close"])
def test_what_is_cancelled_is_undone(open_page, cat, way):
    page = open_page(query="/?full=0")
    card = bring(page, cat)
    face, mix = face_on(card), frames(page)
    page.get_by_role("button", name="Adjust the square of Cat A").click()
    card.locator(".square").press("Shift+ArrowLeft")
    page.wait_for_function("card => card.cat.byHand", arg=card.element_handle())
    if way == "Escape":
        page.keyboard.press("Escape")
    else:
        card.locator("dialog.cutting").get_by_role("button", name=way, exact=True).click()
    page.wait_for_function("card => !card.cat.byHand", arg=card.element_handle())
    expect(card.locator(".about")).to_contain_text("Cat face found.")
    assert (face_on(card) == face).all()
    for _ in range(100):
        if frames(page) == mix:
            break
        page.wait_for_timeout(50)
    assert frames(page) == mix


def test_two_fingers_size_and_turn_it(open_page, cat):
    page = open_page(390, 844)
    card = bring(page, cat)
    page.get_by_role("button", name="Adjust the square of Cat A").click()
    before, box = square_on(card), card.locator(".stage").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    fingers = page.context.new_cdp_session(page)
    for kind, half in (("touchStart", (40, 0)), ("touchMove", (60, 30)), ("touchEnd", None)):
        points = (
            [{"x": x - half[0], "y": y - half[1], "id": 0}, {"x": x + half[0], "y": y + half[1], "id": 1}]
            if half
            else []
        )
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    after = square_on(card)
    assert after["side"] / before["side"] == pytest.approx(math.hypot(60, 30) / 40, rel=0.02)
    assert after["turn"] - before["turn"] == pytest.approx(math.degrees(math.atan2(30, 60)), abs=1)
    assert after["x"] == pytest.approx(before["x"], abs=0.01)


@pytest.mark.parametrize("name", ["phone.heic", "scan.tiff", "turned.jpg"])
def test_every_photo_is_shown_as_browsers_can_draw_it(open_page, tmp_path, name):
    path = tmp_path / name
    photo = Image.open(CHELSEA)
    if name == "phone.heic":
        path.write_bytes((ROOT / "tests" / name).read_bytes())
    elif name == "scan.tiff":
        photo.save(path)
    else:
        exif = Image.Exif()
        exif[274] = 6
        photo.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif, quality=95)
    page = open_page()
    card = bring(page, path)
    page.get_by_role("button", name="Adjust the square of Cat A").click()
    shown = card.locator(".photo canvas")
    upright = open_image(path)
    assert shown.evaluate("canvas => canvas.clientWidth / canvas.clientHeight") == pytest.approx(
        upright.width / upright.height, rel=0.01
    )
    assert np.abs(face_on(card) - cut_by(upright, square_on(card))).max() <= 2  # from the photo, not from the copy


def test_photos_are_dropped_on_the_card_and_pasted(open_page, cat):
    page = open_page()
    data = page.evaluate_handle(
        """text => { const data = new DataTransfer(), bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
           data.items.add(new File([bytes], 'cat.jpg', {type: 'image/jpeg'}));
           return data }""",
        b64encode(cat.read_bytes()).decode(),
    )
    before = frames(page)
    card_of(page, "B").locator(".strip").dispatch_event("drop", {"dataTransfer": data})
    expect(card_of(page, "B").locator(".about")).to_contain_text("Cat face found.")
    expect_other_frames(page, before)
    for letter in "BA":  # where the focus is
        choose_cat(page, "kitten-02", letter)
        expect(card_of(page, letter).locator(".about")).to_contain_text("painted by a model")
        page.get_by_role("button", name=f"Use my photo as Cat {letter}").focus()
        page.evaluate(
            "clipboardData => document.activeElement.dispatchEvent("
            "new ClipboardEvent('paste', {clipboardData, bubbles: true, composed: true}))",
            data,
        )
        expect(card_of(page, letter).locator(".about")).to_contain_text("Cat face found.")


def test_the_camera_takes_a_photo(browser, app_url):
    flags = [*FLAGS, "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    other = browser.browser_type.launch(executable_path=CHROMIUM, args=flags)
    page = other.new_page(locale="en-US")
    page.goto(app_url)
    page.get_by_role("button", name="Take a photo as Cat B").click()
    video = card_of(page, "B").locator(".webcam video")
    page.wait_for_function("video => video.videoWidth", arg=video.element_handle())
    page.get_by_role("button", name="Take the photo").click()
    expect(card_of(page, "B").locator(".about")).to_contain_text("No cat face found")
    assert video.evaluate("video => video.srcObject") is None  # its light is off
    other.close()


def test_a_photo_that_has_left_the_server_is_sent_once_more(open_page, app_url, cat, tmp_path_factory):
    page = open_page()
    page.errors.append("404")
    card = bring(page, cat)
    before, face = frames(page), face_on(card)
    kept = [*tmp_path_factory.getbasetemp().rglob("front/*")]
    assert kept
    for path in kept:
        path.unlink()  # as the sweep does
    open_more(page)
    page.get_by_role("radio", name="Arc").check(force=True)
    expect_other_frames(page, before)
    page.get_by_role("button", name="Adjust the square of Cat A").click()
    card.locator(".square").press("ArrowRight")
    page.wait_for_function("card => card.cat.byHand && !card.hasAttribute('busy')", arg=card.element_handle())
    expect(card.locator(".refusal:visible")).to_have_count(0)
    assert (face_on(card) != face).any()


def test_a_server_that_does_not_answer_is_said_and_the_card_goes_on(browser, app_url, cat):
    page = browser.new_page(locale="en-US")
    page.goto(app_url)
    expect(page.locator("#mix canvas")).to_have_count(11)
    page.route("**/web/ask/faces*", lambda route: route.fulfill(status=429, json={"error": "busy"}))
    card = card_of(page)
    card.locator("input[type=file]").set_input_files(cat)
    refusal = card.locator(".seen .refusal")
    expect(refusal).to_have_text(TEXTS["en"]["no_answer"])
    expect(card.locator(".waits")).to_have_count(0)
    page.unroute("**/web/ask/faces*")
    card.locator("input[type=file]").set_input_files(cat)
    expect(card.locator(".about")).to_contain_text("Cat face found.")
    expect(refusal).to_be_hidden()
    page.close()


def test_names_tell_a_from_b_and_the_strip_is_one_stop(open_page):
    page = open_page(1280, 720)
    names = page.locator("kitten-cat button").evaluate_all(
        "buttons => buttons.filter(b => b.offsetParent).map(b => b.ariaLabel || b.textContent)"
    )
    assert len(names) > 10 and len(set(names)) == len(names)
    assert all("Cat A" in name or "Cat B" in name for name in names)
    strip = card_of(page).locator(".strip")
    shown = strip.locator("button[data-cat]:visible").count()
    expect(strip.locator(".more")).to_have_text(f"+{len(CATS) - shown}")
    box = strip.bounding_box()
    last = strip.locator(".more").bounding_box()
    assert last["x"] + last["width"] <= box["x"] + box["width"]  # nothing is cut off
    page.get_by_role("button", name="Use my photo as Cat A").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")  # over the button that adjusts
    focused = "document.activeElement.shadowRoot.activeElement"
    first = page.evaluate(f"{focused}.dataset.cat")
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    assert first and page.evaluate(f"{focused}.dataset.cat") not in (first, None)
    before = frames(page)
    page.keyboard.press("Enter")
    expect_other_frames(page, before)
    page.keyboard.press("Tab")
    assert "Cat B" in page.evaluate(f"{focused}.ariaLabel")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Choose Cat A from")).to_be_visible()
    expect(page.get_by_text("Painted by a model: no such cats exist").first).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_on_a_phone_the_chosen_cat_is_in_its_row_and_all_that_is_said_can_be_read(open_page, tmp_path):
    page = open_page(390, 844, query=f"/?b={list(CATS)[-1]}&full=0")
    expect(card_of(page, "B").locator(".strip [aria-pressed=true]")).to_be_visible()
    Image.linear_gradient("L").resize((300, 200)).save(tmp_path / "none.png")
    about = bring(page, tmp_path / "none.png").locator(".about")
    expect(about).to_contain_text("No cat face found")
    about.evaluate("about => about.scrollTo(0, 999)")
    hidden = about.evaluate("about => about.scrollHeight - about.clientHeight - about.scrollTop")
    assert hidden <= 1 and about.evaluate("about => getComputedStyle(about).overflowY") in ("auto", "visible")


def test_nothing_is_looked_for_in_an_example_that_is_opened(open_page):
    page = open_page(query="/?full=0")
    card = card_of(page)
    card.evaluate(
        "card => { window.looked = []; const waiting = card.shadowRoot.querySelector('.waiting');"
        "new MutationObserver(() => looked.push(waiting.textContent)).observe(waiting, {childList: true}); }"
    )
    page.get_by_role("button", name="Adjust the square of Cat A").click()
    expect(card.locator("dialog.cutting")).to_be_visible()
    assert [text for text in page.evaluate("looked") if text] == []


def test_the_bench_is_wide_and_its_buttons_are_in_view(open_page, cat):
    page = open_page(query="/?full=0")
    card = bring(page, cat)
    page.get_by_role("button", name="Adjust the square of Cat A").click()
    assert card.locator(".bench > .stage").bounding_box()["width"] >= 440  # a landscape photo
    page.set_viewport_size({"width": 360, "height": 640})
    done, dialog = (card.locator(part).bounding_box() for part in ("dialog.cutting .done", "dialog.cutting"))
    assert done["y"] + done["height"] <= dialog["y"] + dialog["height"] - 4
    expect(card.locator("dialog.cutting .done")).to_be_in_viewport(ratio=1)
