"""A headless Chromium, driven through its debugging pipe by the standard library alone: open a page, evaluate, press, click, take its picture."""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

__all__ = ["CHROMIUM", "SHOTS", "Browser"]

CHROMIUM = next((path for name in ("chromium", "chromium-browser", "google-chrome", "chrome") if (path := shutil.which(name))), None)
SHOTS = Path(__file__).parent.parent / "benchmarks" / "results" / "pages"  # git ignores it; a person looks
PATIENCE = 60  # seconds for an answer: a busy machine is no failure


class Browser:
    """One window. Use it in `with`; what the page said on the console is in `said`."""

    def __init__(self) -> None:
        assert CHROMIUM is not None
        self.said: list[str] = []
        self._answers: dict[int, Any] = {}
        self._number, self._rest = 0, b""
        self._profile = tempfile.TemporaryDirectory(prefix="browser", ignore_cleanup_errors=True)
        read, their_write = os.pipe()
        their_read, write = os.pipe()
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
                   f"--user-data-dir={self._profile.name}", "--remote-debugging-pipe", "--disable-extensions", "--mute-audio", "about:blank"]
        script = f'exec "$0" "$@" 3<&{their_read} 4>&{their_write}'  # Chromium listens on 3 and answers on 4
        self._process = subprocess.Popen(["bash", "-c", script, CHROMIUM, *options], pass_fds=(their_read, their_write),
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(their_read)
        os.close(their_write)
        self._read, self._write, self._session = read, write, ""
        target = next(t for t in self._call("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self._session = self._call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._session = ""
            self._call("Browser.close")
        except (OSError, AssertionError):
            self._process.kill()
        self._process.wait(timeout=PATIENCE)
        os.close(self._read)
        os.close(self._write)
        self._profile.cleanup()

    def open(self, path: Path, hash: str = "", size: tuple[int, int] = (1280, 800), dark: bool = False, touch: bool = False) -> None:
        """The page at `path` in a window of this size. A new hash alone would not load it again, so it comes from nowhere."""
        self._call("Emulation.setDeviceMetricsOverride", width=size[0], height=size[1], deviceScaleFactor=1, mobile=touch)
        self._call("Emulation.setTouchEmulationEnabled", enabled=touch)
        self._call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self._call("Page.navigate", url="about:blank")
        self._call("Page.navigate", url=path.resolve().as_uri() + (f"#{hash}" if hash else ""))
        self.until("document.readyState === 'complete' && location.protocol === 'file:'")

    def value(self, expression: str) -> Any:
        """Of a JavaScript expression in the page."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, expression: str) -> None:
        end = time.monotonic() + PATIENCE
        while not self.value(expression):
            assert time.monotonic() < end, f"never true: {expression}"

    def press(self, key: str) -> None:
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        codes = {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Enter": 13, "Escape": 27}
        self._call("Input.dispatchKeyEvent", type="keyDown", key=key, text=text, windowsVirtualKeyCode=codes.get(key, 0))
        self._call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def click(self, selector: str) -> None:
        x, y = self.middle(selector)
        for kind in ("mousePressed", "mouseReleased"):
            self.mouse(kind, x, y, button="left", clickCount=1)

    def touch(self, kind: str, *points: tuple[float, float]) -> None:
        self._call("Input.dispatchTouchEvent", type=kind, touchPoints=[{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)])

    def middle(self, selector: str) -> tuple[float, float]:
        box = self.value(f"(r => [r.x + r.width / 2, r.y + r.height / 2])(document.querySelector({json.dumps(selector)}).getBoundingClientRect())")
        return box[0], box[1]

    def shot(self, name: str) -> Path:
        SHOTS.mkdir(parents=True, exist_ok=True)
        path = SHOTS / f"{name}.png"
        path.write_bytes(base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"]))
        return path

    def _call(self, method: str, **params: Any) -> Any:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params} | ({"sessionId": self._session} if self._session else {})
        os.write(self._write, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + PATIENCE
        while self._number not in self._answers:
            assert select.select([self._read], [], [], max(0.0, end - time.monotonic()))[0], f"no answer to {method}"
            got = os.read(self._read, 1 << 20)
            assert got, "the browser went away"
            *whole, self._rest = (self._rest + got).split(b"\0")
            for text in whole:
                self._take(json.loads(text))
        answer = self._answers.pop(self._number)
        assert "error" not in answer, f"{method}: {answer.get('error')}"
        return answer["result"]

    def _take(self, message: dict[str, Any]) -> None:
        if "id" in message:
            self._answers[message["id"]] = message
        elif message["method"] == "Runtime.exceptionThrown":
            self.said.append(json.dumps(message["params"]["exceptionDetails"])[:600])
        elif message["method"] in ("Log.entryAdded", "Runtime.consoleAPICalled"):
            self.said.append(json.dumps(message["params"])[:600])
        elif message["method"] == "Network.requestWillBeSent" and not message["params"]["request"]["url"].startswith(("file:", "about:")):
            self.said.append(f"asked the network for {message['params']['request']['url'][:200]}")
