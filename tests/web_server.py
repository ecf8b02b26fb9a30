"""A plain static server for tests: what it is asked, and headers and faults as a test wants them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Site:
    """What a running server knows: `faults` maps the end of a path to what is done with the file's bytes,
    or to a status; `policy` goes out as Content-Security-Policy with pages."""

    url: str
    asked: list[str] = field(default_factory=list)
    faults: dict = field(default_factory=dict)
    policy: str | None = None


class Handler(SimpleHTTPRequestHandler):
    def __init__(self, *args, site: Site, **options) -> None:
        self.site = site
        super().__init__(*args, **options)

    def log_message(self, *args) -> None:
        pass

    def end_headers(self) -> None:
        if self.site.policy and "." not in self.path.split("?")[0].rsplit("/", 1)[-1].replace(".html", ""):
            self.send_header("Content-Security-Policy", self.site.policy)
        super().end_headers()

    def handle(self) -> None:
        with suppress(ConnectionError):  # a browser that has closed its page reads no further
            super().handle()

    def do_GET(self) -> None:
        self.site.asked.append(self.path)
        path = self.path.split("?")[0]
        fault = next((fault for end, fault in self.site.faults.items() if path.endswith(end)), None)
        if fault is None:
            return super().do_GET()
        if isinstance(fault, int):
            return self.send_error(fault)
        content = fault(Path(self.translate_path(self.path)).read_bytes())
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(path))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def serving(folder: Path, site: Site | None = None) -> Iterator[Site]:
    """The folder on a free port of this machine, or on the one a `site` had before."""
    site = site or Site("http://127.0.0.1:0")
    port = int(site.url.rsplit(":", 1)[1])
    server = ThreadingHTTPServer(("127.0.0.1", port), partial(Handler, directory=str(folder), site=site))
    site.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
