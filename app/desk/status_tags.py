"""The statuses of invoices as staff reads them: what customers read as closed is called by its name here."""

from typing import Final

from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString

from invoicing import views
from invoicing.status import Status

TAGS: Final[dict[Status, tuple[str, LazyString]]] = views.TAGS | {
    "uncollectible": ("lost", lazy_gettext("Uncollectible"))
}
