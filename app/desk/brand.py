"""What everybody may fetch of the provider's look: the logo by its digest, and the colour as a stylesheet."""

from typing import Final

from flask import Blueprint, Flask, Response, url_for

from app.config import Provider, settings
from app.headers import YEAR_SECONDS
from app.provider_settings import logo

blueprint = Blueprint("brand", __name__, url_prefix="/brand")

KEPT: Final = f"public, max-age={YEAR_SECONDS}, immutable"
# One colour gives the others: darker for what is pointed at, light behind text, lighter on a dark page.
SHEET: Final = """:root { --brand: %(c)s; --brand-strong: color-mix(in srgb, %(c)s 80%%, black);
  --brand-soft: color-mix(in srgb, %(c)s 12%%, white); --series-1: %(c)s; }
@media (prefers-color-scheme: dark) { :root { --brand: color-mix(in srgb, %(c)s 40%%, white);
  --brand-strong: color-mix(in srgb, %(c)s 25%%, white); --brand-ink: #0b1210;
  --brand-soft: color-mix(in srgb, %(c)s 35%%, #0d1412);
  --series-1: color-mix(in srgb, %(c)s 40%%, white); } }
"""


def init_app(app: Flask) -> None:
    app.jinja_env.globals.update(brand_css=brand_css, brand_colour=brand_colour, logo_url=logo_url)


def brand_css() -> str | None:
    """The address of the colours, where they are not those of the style sheet itself."""
    colour = settings().provider.brand_colour.lower()
    return None if colour == Provider.brand_colour else url_for("brand.colours", colour=colour[1:])


def brand_colour() -> str:
    return settings().provider.brand_colour


def logo_url() -> str | None:
    """The address of the logo, where there is one."""
    digest = settings().provider.logo
    return url_for("brand.logo_picture", digest=digest) if digest else None


@blueprint.get("/logo-<digest>.png")
def logo_picture(digest: str) -> Response:
    """The bytes under a digest never change."""
    return Response(logo(digest), mimetype="image/png", headers={"Cache-Control": KEPT})


@blueprint.get("/colours-<string(length=6):colour>.css")
def colours(colour: str) -> Response:
    """Whatever colour is asked for, the answer is the chosen one; the address carries it for caches."""
    chosen = settings().provider.brand_colour.lower()
    headers = {"Cache-Control": KEPT if chosen == f"#{colour}" else "no-store"}
    return Response(SHEET % {"c": chosen}, mimetype="text/css", headers=headers)
