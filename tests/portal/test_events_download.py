"""A customer downloads the events behind the page of usage: their own, and nobody else's."""

import csv
import io
import re

from flask.testing import FlaskClient

from app.clock import utc_now
from tests.portal import stories
from tests.portal.people import customer_with_user, sign_in


def use(api: FlaskClient, reference: str, tokens: int) -> None:
    event = {
        "specversion": "1.0",
        "id": f"{reference}-{tokens}",
        "source": "tests",
        "type": "llm.completion",
        "subject": reference,
        "time": utc_now().isoformat(),
        "data": {"prompt_tokens": tokens, "generated_tokens": 1},
    }
    assert api.post("/v1/events", json=event).status_code == 200


def test_the_page_of_usage_leads_to_the_customers_own_events(api: FlaskClient, client: FlaskClient) -> None:
    for reference in ("acme", "other"):
        customer_with_user(reference)
    stories.meters(api)
    use(api, "acme", 1000)
    use(api, "other", 2000)
    sign_in(client, "acme@tegoed.example")
    link = re.search(r'href="(/usage/events\.csv\?[^"]+)"', client.get("/usage").text)
    assert link is not None
    answer = client.get(link[1].replace("&amp;", "&"))
    assert (answer.status_code, answer.mimetype) == (200, "text/csv")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="events-acme.csv"'
    assert {row["id"] for row in csv.DictReader(io.StringIO(answer.text))} == {"acme-1000"}


def test_nobody_downloads_events_without_signing_in(client: FlaskClient) -> None:
    assert client.get("/usage/events.csv").headers["Location"].startswith("/sign-in")
