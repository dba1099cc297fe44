"""Settings of a demo, and a story short enough to be told in a second."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask

from app.clock import utc_now
from app.config import Settings
from app.demo.cast import CUSTOMERS
from app.demo.story import Act, Open, Story

ShortStory = Callable[..., Story]


@pytest.fixture
def demo_settings(settings: Settings, app: Flask) -> Settings:
    demo = replace(settings, demo=True)
    app.extensions["settings"] = demo
    return demo


@pytest.fixture
def short_story() -> ShortStory:
    """Both customers open their account; then whatever the test adds."""

    def tell(*more: Act) -> Story:
        now = utc_now()
        opened = [Open(at=now - timedelta(hours=1), customer=customer) for customer in CUSTOMERS]
        return Story(now=now, acts=(*opened, *more), spans=())

    return tell
