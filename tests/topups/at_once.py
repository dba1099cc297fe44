"""Several things at the same time."""

import threading
from collections.abc import Callable
from contextvars import Context

from flask import Flask

from app.db import db


def at_once(app: Flask, *actions: Callable[[], object]) -> list[BaseException]:
    """Run these in threads that start together; answers what they raised."""
    barrier = threading.Barrier(len(actions))
    raised: list[BaseException] = []

    def act(action: Callable[[], object]) -> None:
        with app.app_context():
            barrier.wait()
            try:
                action()
            except BaseException as error:  # noqa: BLE001 -- the test looks at whatever it was
                raised.append(error)
            finally:
                db.session.remove()

    threads = [threading.Thread(target=Context().run, args=(act, action)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised
