"""Settings of a demo, and a story short enough to be told in a second."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from app.clock import utc_now
from app.demo.cast import CUSTOMERS
from app.demo.story import Act, Open, Story

ShortStory = Callable[..., Story]


@pytest.fixture
def short_story() -> ShortStory:
    """Both customers open their account; then whatever the test adds."""

    def tell(*more: Act) -> Story:
        now = utc_now()
        opened = [Open(at=now - timedelta(hours=1), customer=customer) for customer in CUSTOMERS]
        return Story(now=now, acts=(*opened, *more), spans=())

    return tell
