"""Draws docs/console.gif from the real page: a person orders two trucks in the simulated city and drives one.

Usage: python -m tests.film
"""

from io import BytesIO

from PIL import Image
from playwright.sync_api import Page, expect

from tests.conftest import ROOT
from tests.e2e.console import visit
from tests.picture import studio

FILM = ROOT / "docs" / "console.gif"
# The window, and what the film shows of it.
SIZE = (1280, 800)
SHOWN = (800, 500)
COLOURS = 64
FRAMES = 44
EVERY_MS = 450
SHOWN_MS = 220
# Of the city: until its first orders are under way.
SETTLES_MS = 25_000
SHORTLY_MS = 60_000


def _start_the_city(page: Page) -> None:
    page.get_by_role("tab", name="Play with it").click(timeout=SHORTLY_MS)
    page.get_by_role("button", name="Start the city").click(timeout=SHORTLY_MS)
    expect(page.locator("#city-button")).to_have_text("Stop the city", timeout=SHORTLY_MS)
    page.wait_for_timeout(SETTLES_MS)


def _step(page: Page, frame: int) -> None:
    """What the person does before this frame."""
    if frame in (5, 8):
        x, y = ((380, 260), (470, 330))[frame == 8]
        page.locator("#map").click(position={"x": x, "y": y})
    if frame == 11:
        page.get_by_role("button", name="Order two trucks").click()
    accept = page.locator("#offers li").filter(has_text="₹500").get_by_role("button", name="Accept")
    # The offer is to be seen for a moment before it is accepted.
    if frame > 18 and accept.count():
        accept.first.click()


def _record(page: Page) -> list[Image.Image]:
    frames = []
    for number in range(FRAMES):
        _step(page, number)
        page.wait_for_timeout(EVERY_MS)
        seen = Image.open(BytesIO(page.screenshot())).convert("RGB")
        frames.append(seen.resize(SHOWN, Image.Resampling.LANCZOS))
    return frames


def _save(frames: list[Image.Image]) -> None:
    # One palette for all frames, so that what stands still is the same in each and takes no space.
    palette = frames[len(frames) // 2].quantize(COLOURS, dither=Image.Dither.NONE)
    drawn = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    drawn[0].save(FILM, save_all=True, append_images=drawn[1:], duration=SHOWN_MS, loop=0, optimize=True)


def main() -> None:
    with studio() as (system, browser), visit(browser, system.urls[0], SIZE) as console:
        _start_the_city(console.page)
        frames = _record(console.page)
        console.page.get_by_role("button", name="Stop the city").click()
        expect(console.page.locator("#city-button")).to_have_text("Start the city", timeout=SHORTLY_MS)
    _save(frames)
    print(f"{FILM.relative_to(ROOT)}: {FILM.stat().st_size // 1024} KB")


if __name__ == "__main__":
    main()
