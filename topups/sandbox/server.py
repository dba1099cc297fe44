"""The sandbox as a WSGI app and as a threaded server on loopback, for the command line and inside tests."""

import logging
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from topups.sandbox.api import api
from topups.sandbox.checkout import checkout
from topups.sandbox.control import control
from topups.sandbox.exchange import HAL, HungUp, hang_up
from topups.sandbox.idempotency import forget_interrupted
from topups.sandbox.problems import Problem
from topups.sandbox.timeline import Ticker
from topups.sandbox.webhooks import resume
from topups.sandbox.world import World

BODY_BYTES = 1 << 20
LONGEST_STOP_SECONDS = 5


def create_app(sandbox: World) -> Flask:
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = BODY_BYTES
    app.extensions["sandbox"] = sandbox
    app.url_map.strict_slashes = False
    app.register_blueprint(api)
    app.register_blueprint(control)
    app.register_blueprint(checkout)

    @app.errorhandler(HungUp)
    def break_off(_: HungUp) -> Response:
        request.environ["sandbox.hang_up"] = True
        return Response(status=500)

    @app.errorhandler(HTTPException)
    def not_served(error: HTTPException) -> Response:
        status = error.code or 500
        problem = Problem(status, error.description or "")
        return Response(msgspec.json.encode(problem.body()), status=status, content_type=HAL)

    return app


class Application:
    """The app behind the faults that no WSGI app can answer: a broken connection."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.idle = threading.Condition()
        self.busy = 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        with self.idle:
            self.busy += 1
        try:
            answer = self.app(environ, start_response)
        finally:
            with self.idle:
                self.busy -= 1
                self.idle.notify_all()
        if not environ.get("sandbox.hang_up"):
            return answer
        hang_up(environ)
        raise ConnectionResetError("hung up on purpose")

    def wait_until_idle(self) -> None:
        """Until every request under way is through; open connections that ask nothing do not count."""
        with self.idle:
            self.idle.wait_for(lambda: self.busy == 0, timeout=LONGEST_STOP_SECONDS)


class QuietHandler(WSGIRequestHandler):
    """The sandbox has its own log of requests."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Says nothing."""


@dataclass
class Running:
    """A sandbox that answers at `url` until `stop()`."""

    url: str
    world: World
    _application: Application
    _server: BaseWSGIServer
    _thread: threading.Thread
    _ticker: Ticker
    _stopped: bool = field(default=False)

    def stop(self) -> None:
        if self._stopped:
            return
        self._stopped = True
        self.world.ended.set()
        self._ticker.end()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._application.wait_until_idle()
        self.world.close()


def start(port: int = 0, state: Path | str | None = None, seed: int = 0) -> Running:
    """Starts a sandbox in threads of this process. Port 0 is any free one; without `state` it forgets all."""
    sandbox = World(Path(state) if state else None, seed)
    forget_interrupted(sandbox)
    resume(sandbox)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    application = Application(create_app(sandbox))
    server = make_server("127.0.0.1", port, application, threaded=True, request_handler=QuietHandler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="sandbox", daemon=True)
    ticker = Ticker(sandbox)
    thread.start()
    ticker.start()
    return Running(f"http://127.0.0.1:{server.server_port}", sandbox, application, server, thread, ticker)
