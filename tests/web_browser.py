"""A headless Chromium, driven over chromedriver's HTTP interface (W3C WebDriver).

The interface is JSON over HTTP, so that no package is needed beside the two programs of
Debian (``apt-get install chromium chromium-driver``).
"""

import base64
import json
import shutil
import socket
import subprocess
import time
from pathlib import Path
from urllib import error, request

import cv2
import numpy as np

# WebGL in software; nothing that asks the network.
FLAGS = (
    '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic',
    '--no-first-run', '--disable-background-networking', '--disable-component-update',
    '--disable-sync', '--disable-dev-shm-usage', '--use-gl=angle',
    '--use-angle=swiftshader', '--enable-unsafe-swiftshader',
    '--window-size=1100,1400',
)  # fmt: skip
ELEMENT = 'element-6066-11e4-a52e-4f735466cecf'  # WebDriver's key of an element
KEYS = dict(left='\ue012', right='\ue014', enter='\ue007', tab='\ue004')

SHOW = """const element = document.querySelector(arguments[0]);
element.scrollIntoView({behavior: 'instant', block: 'center'});
return element.getBoundingClientRect().top"""


def missing_programs() -> str:
    """Why no browser can be started, '' if one can."""
    missing = [name for name in ('chromium', 'chromedriver') if not shutil.which(name)]
    return f'{" and ".join(missing)} not installed' if missing else ''


class Browser:
    """One window; a context manager.

    Args:
        profile: an empty folder for the user's data.
    """

    def __init__(self, profile: Path) -> None:
        with socket.create_server(('127.0.0.1', 0)) as free:
            port = free.getsockname()[1]
        self.root = f'http://127.0.0.1:{port}'
        self.driver = subprocess.Popen(
            ['chromedriver', f'--port={port}'],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        options = dict(
            args=[*FLAGS, f'--user-data-dir={profile}'], binary=shutil.which('chromium')
        )
        wanted = {
            'goog:chromeOptions': options,
            'goog:loggingPrefs': {'browser': 'ALL'},
        }
        try:
            self._wait_for_driver()
            made = self._send(
                'POST', '/session', dict(capabilities=dict(alwaysMatch=wanted))
            )
        except BaseException:
            self.driver.terminate()
            raise
        self.session = f'/session/{made["sessionId"]}'

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._send('DELETE', self.session)
        self.driver.terminate()
        self.driver.wait(timeout=10)

    def open(self, path: Path) -> None:
        """Load a file of this machine."""
        self._post('/url', dict(url=path.as_uri()))

    def run(self, script: str, *arguments):
        """The value that a script's body returns."""
        return self._post('/execute/sync', dict(script=script, args=list(arguments)))

    def wait_for(self, script: str, seconds: float = 60.0):
        """The first true value of a script's body."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            value = self.run(script)
            if value:
                return value
            time.sleep(0.1)
        raise TimeoutError(f'never true within {seconds} s: {script}; {self.errors()}')

    def click(self, selector: str) -> None:
        """Scroll to an element and click it as a user does; it must be visible."""
        self.show(selector)
        self._post(f'/element/{self._find(selector)}/click', {})

    def show(self, selector: str) -> None:
        """Scroll until an element is in the middle of the window and stays there."""
        positions = [None]
        while len(positions) < 3 or positions[-1] != positions[-2]:
            positions.append(self.run(SHOW, selector))

    def press(self, key: str) -> None:
        """Press a key of ``KEYS`` where the focus is."""
        keys = [dict(type=kind, value=KEYS[key]) for kind in ('keyDown', 'keyUp')]
        self._post('/actions', dict(actions=[dict(type='key', id='k', actions=keys)]))

    def drag(self, selector: str, right: int, down: int) -> None:
        """Drag the mouse from an element's middle."""
        origin = {ELEMENT: self._find(selector)}
        moves = [
            dict(type='pointerMove', duration=0, x=0, y=0, origin=origin),
            dict(type='pointerDown', button=0),
            dict(
                type='pointerMove',
                duration=120,
                x=right // 2,
                y=down // 2,
                origin=origin,
            ),
            dict(type='pointerMove', duration=120, x=right, y=down, origin=origin),
            dict(type='pointerUp', button=0),
        ]
        self._post(
            '/actions',
            dict(
                actions=[
                    dict(
                        type='pointer',
                        id='m',
                        parameters=dict(pointerType='mouse'),
                        actions=moves,
                    )
                ]
            ),
        )

    def picture(self, selector: str | None = None) -> np.ndarray:
        """A screenshot of an element or of the window, (h, w, 3) uint8 RGB."""
        where = f'/element/{self._find(selector)}' if selector else ''
        data = base64.b64decode(self._send('GET', f'{self.session}{where}/screenshot'))
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        return decoded[..., ::-1]

    def command(self, name: str, **parameters) -> dict:
        """Chromium's own commands (DevTools protocol), for what WebDriver lacks."""
        return self._post('/goog/cdp/execute', dict(cmd=name, params=parameters))

    def look(self, width: int, dark: bool = False) -> None:
        """A window of that many pixels, light or dark."""
        size = dict(width=width, height=900, deviceScaleFactor=1, mobile=False)
        self.command('Emulation.setDeviceMetricsOverride', **size)
        scheme = dict(name='prefers-color-scheme', value='dark' if dark else 'light')
        self.command('Emulation.setEmulatedMedia', features=[scheme])

    def printed(self) -> bytes:
        """The page as PDF, A4."""
        paper = dict(paperWidth=8.27, paperHeight=11.69)
        return base64.b64decode(self.command('Page.printToPDF', **paper)['data'])

    def errors(self) -> list[str]:
        """Errors that the console got since the last call."""
        entries = self._post('/se/log', dict(type='browser'))
        return [entry['message'] for entry in entries if entry['level'] == 'SEVERE']

    def _find(self, selector: str) -> str:
        found = self._post('/element', dict(using='css selector', value=selector))
        return found[ELEMENT]

    def _post(self, path: str, body: dict):
        return self._send('POST', self.session + path, body)

    def _send(self, method: str, path: str, body: dict | None = None):
        data = None if body is None else json.dumps(body).encode()
        asked = request.Request(
            self.root + path,
            data,
            method=method,
            headers={'Content-Type': 'application/json'},
        )
        try:
            with request.urlopen(asked, timeout=120) as answer:
                return json.load(answer)['value']
        except error.HTTPError as failure:
            raise RuntimeError(failure.read().decode()[:500]) from failure

    def _wait_for_driver(self) -> None:
        for _ in range(300):
            try:
                if self._send('GET', '/status')['ready']:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise TimeoutError('chromedriver does not answer')
