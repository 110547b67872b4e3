"""Remake the pictures of the README from a real run: `.venv/bin/python docs/images/make.py`.

It starts a stack of its own in a temporary directory, waits until the demo has traded, and takes
`opensqt grid watch demo` from a terminal and the run's page from the Temporal UI. It needs a
Chromium: Debian's (`apt-get install chromium`), or another one named by `CHROMIUM`.
"""

# A script for people, no part of the program: it has the clock, starts processes and prints.
# ruff: noqa: INP001, TID251, S603, T201

import fcntl
import html
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pyte
from playwright.sync_api import Browser, Route, sync_playwright

HERE: Final = Path(__file__).parent
#: Columns and lines of the terminal that is drawn.
SIZE: Final = (104, 26)
FILLS: Final = 25
OPENSQT: Final = [sys.executable, "-m", "workers.cli"]
CHROMIUM: Final = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
COLORS: Final = {
    "default": "#d8dee9",
    "red": "#ef7a85",
    "green": "#8fce8b",
    "yellow": "#e8c268",
    "brown": "#e8c268",
    "cyan": "#7fd3e8",
    "blue": "#82aaff",
    "white": "#ffffff",
}
#: Faint text: pyte knows no such attribute, so it arrives as a color of its own.
FAINT: Final = "black"
PAGE: Final = """<html><body style="margin:0;background:#1b1f27"><pre id="screen"
style="margin:0;padding:16px 18px;display:inline-block;background:#1b1f27;
font:14px/1.32 'DejaVu Sans Mono',monospace">{}</pre></body></html>"""


def main() -> None:
    """Make terminal.png and temporal-ui.png beside this file."""
    with tempfile.TemporaryDirectory(prefix="opensqt-pictures-") as directory:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("OPENSQT_")}
        environment["OPENSQT_DATA_DIR"] = directory
        with stack(environment, Path(directory) / "up.txt"):
            wait_for_fills(environment, Path(directory) / "stack.json")
            told = json.loads((Path(directory) / "stack.json").read_text())
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
                draw_terminal(browser, screen_of(environment))
                draw_ui(browser, f"{told['temporal_ui']}/namespaces/default/workflows/demo")
                browser.close()


@contextmanager
def stack(environment: dict[str, str], said: Path) -> Iterator[None]:
    """Run `opensqt up --demo` as long as the block."""
    with said.open("wb") as out:
        up = subprocess.Popen(
            [*OPENSQT, "up", "--demo", "--no-watch"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=environment,
        )
    try:
        yield
    except BaseException:
        print(said.read_text(), file=sys.stderr)
        raise
    finally:
        up.send_signal(signal.SIGINT)
        up.wait(60)


def wait_for_fills(environment: dict[str, str], stack_file: Path) -> None:
    """Return when the demo has traded; exits if it does not within five minutes."""
    ends = time.monotonic() + 300
    while time.monotonic() < ends:
        time.sleep(1)
        if not stack_file.exists():  # commands would ask another stack at the usual ports
            continue
        asked = subprocess.run(
            [*OPENSQT, "grid", "status", "demo", "--json"],
            capture_output=True,
            env=environment,
            check=False,
        )
        status = json.loads(asked.stdout or "{}").get("status") or {}
        if status.get("fills", 0) >= FILLS:
            return
    sys.exit("the demo did not trade within five minutes")


def screen_of(environment: dict[str, str]) -> pyte.Screen:
    """Return the terminal that `opensqt grid watch demo` has drawn on after a few seconds."""
    columns, lines = SIZE
    screen = pyte.Screen(columns, lines)
    stream = pyte.ByteStream(screen)
    pid, terminal = pty.fork()
    if pid == 0:
        environment |= {"TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": str(lines)}
        os.execve(sys.executable, [*OPENSQT, "grid", "watch", "demo"], environment)  # noqa: S606
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    ends = time.monotonic() + 6
    while time.monotonic() < ends:
        if select.select([terminal], [], [], 0.2)[0]:
            # Rich draws faint text with SGR 2, which pyte drops.
            drawn = os.read(terminal, 65536)
            stream.feed(drawn.replace(b"\x1b[2m", b"\x1b[30m"))
    os.kill(pid, signal.SIGINT)
    os.waitpid(pid, 0)
    return screen


def draw_terminal(browser: Browser, screen: pyte.Screen) -> None:
    """Draw the terminal as a picture."""
    used = [number for number in range(screen.lines) if screen.display[number].strip()]
    text = "\n".join("".join(line(screen, number)) for number in range(max(used) + 1))
    page = browser.new_page(viewport={"width": 1200, "height": 800}, device_scale_factor=1.5)
    page.set_content(PAGE.format(text))
    page.locator("#screen").screenshot(path=HERE / "terminal.png")
    page.close()


def line(screen: pyte.Screen, number: int) -> Iterator[str]:
    """Yield one line of *screen* as HTML, a piece for each stretch of one look."""
    look, text = "", ""
    for column in range(screen.columns):
        char = screen.buffer[number][column]
        color = "#7b8494" if char.fg == FAINT else COLORS.get(char.fg, COLORS["default"])
        this = f"color:{color};font-weight:{'bold' if char.bold else 'normal'}"
        if this != look and text:
            yield f'<span style="{look}">{html.escape(text)}</span>'
            text = ""
        look, text = this, text + char.data
    yield f'<span style="{look}">{html.escape(text.rstrip())}</span>'


def draw_ui(browser: Browser, address: str) -> None:
    """Take the page of the run; nothing but this machine is asked."""
    page = browser.new_page(viewport={"width": 1400, "height": 880})
    page.route("**/*", only_here)
    page.goto(address)
    page.get_by_text("Auto Refresh On").wait_for(timeout=60_000)
    page.wait_for_timeout(3000)  # the timeline is a drawing: nothing in it tells that it is there
    page.screenshot(path=HERE / "temporal-ui.png")
    page.close()


def only_here(route: Route) -> Any:
    """Let only requests to this machine through."""
    here = "://127.0.0.1:" in route.request.url
    return route.continue_() if here else route.abort()


if __name__ == "__main__":
    main()
