"""OpenID Connect: a sign-in at Microsoft, Google or another provider, checked before anybody believes it.

State, nonce and PKCE tie the answer to this browser; signature, issuer, audience and time are checked against
what the provider publishes. Calls the network, so never inside a transaction.
"""

from dataclasses import dataclass
from typing import Any, Final, cast

import structlog
from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from flask import Flask, current_app
from flask_babel import lazy_gettext
from joserfc.errors import JoseError
from requests import RequestException
from werkzeug.wrappers import Response

from app.config import Settings
from app.errors import Forbidden, NotFound

TIMEOUT_SECONDS: Final = 10
CLOCK_LEEWAY_SECONDS: Final = 60
_MICROSOFT: Final = "https://login.microsoftonline.com/{}/v2.0"
_WELL_KNOWN: Final = "/.well-known/openid-configuration"
_log = structlog.get_logger("app.customers.oidc")


class SignInRefused(Forbidden):
    code = "single_sign_on_refused"
    title = lazy_gettext("Signing in this way did not work. Try again, or sign in another way.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Where people may sign in besides here."""

    key: str
    label: str
    issuer: str
    client_id: str
    client_secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """Who somebody is at a provider. An address counts only where the provider says it is verified."""

    issuer: str
    subject: str
    email: str
    email_verified: bool
    name: str


def init_app(app: Flask, settings: Settings) -> None:
    registry = OAuth(app)
    found = configured(settings)
    for provider in found:
        registry.register(
            provider.key,
            client_id=provider.client_id,
            client_secret=provider.client_secret,
            server_metadata_url=provider.issuer.rstrip("/") + _WELL_KNOWN,
            client_kwargs={
                "scope": "openid email profile",
                "code_challenge_method": "S256",
                "default_timeout": TIMEOUT_SECONDS,
            },
        )
    app.extensions["single_sign_on"] = {provider.key: provider for provider in found}
    app.extensions["single_sign_on_clients"] = registry


def configured(settings: Settings) -> list[Provider]:
    secrets = {
        "microsoft": (settings.oidc_microsoft_client_id, settings.oidc_microsoft_client_secret),
        "google": (settings.oidc_google_client_id, settings.oidc_google_client_secret),
        "oidc": (settings.oidc_client_id, settings.oidc_client_secret),
    }
    rows = (
        ("microsoft", "Microsoft", _MICROSOFT.format(settings.oidc_microsoft_tenant)),
        ("google", "Google", "https://accounts.google.com"),
        ("oidc", settings.oidc_name, settings.oidc_issuer),
    )
    return [
        Provider(
            key=key, label=label, issuer=issuer, client_id=secrets[key][0], client_secret=secrets[key][1]
        )
        for key, label, issuer in rows
        if secrets[key][0] and issuer
    ]


def providers() -> list[Provider]:
    return list(current_app.extensions["single_sign_on"].values())


def provider_of(key: str) -> Provider:
    """Raises NotFound."""
    found = current_app.extensions["single_sign_on"].get(key)
    if found is None:
        raise NotFound
    return cast("Provider", found)


def depart(provider: Provider, redirect_uri: str) -> Response:
    """To the provider's own sign-in. Raises SignInRefused when it cannot be reached."""
    try:
        return cast("Response", _client(provider).authorize_redirect(redirect_uri))
    except (OAuthError, RequestException, RuntimeError, ValueError, KeyError) as error:
        raise _refused(provider, error) from error


def arrive(provider: Provider) -> Claims:
    """Who came back. Raises SignInRefused for anything but a valid answer to this browser's question."""
    client = _client(provider)
    try:
        issuer = str(client.load_server_metadata()["issuer"])
        token = client.authorize_access_token(
            claims_options={
                "iss": {
                    "essential": True,
                    "validate": lambda claims, iss: iss == _issuer_for(issuer, claims),
                },
                "aud": {"essential": True, "value": provider.client_id},
                "exp": {"essential": True},
                "nonce": {"essential": True},
            },
            leeway=CLOCK_LEEWAY_SECONDS,
        )
        claims = cast("dict[str, Any]", token["userinfo"])
    except (OAuthError, JoseError, RequestException, RuntimeError, ValueError, KeyError) as error:
        raise _refused(provider, error) from error
    email = str(claims.get("email") or "").strip().lower()[:254]
    # Microsoft says it in a claim of its own.
    verified = claims.get("email_verified") is True or claims.get("xms_edov") is True
    return Claims(
        issuer=str(claims["iss"])[:255],
        subject=str(claims["sub"])[:255],
        email=email,
        email_verified=bool(email) and verified,
        name=str(claims.get("name") or email)[:200],
    )


def _issuer_for(issuer: str, claims: dict[str, Any]) -> str:
    """Microsoft's shared endpoint names each organisation's issuer by its tenant."""
    return issuer.replace("{tenantid}", str(claims.get("tid", "")))


def _client(provider: Provider) -> Any:
    return current_app.extensions["single_sign_on_clients"].create_client(provider.key)


def _refused(provider: Provider, error: Exception) -> SignInRefused:
    _log.warning("single_sign_on_refused", provider=provider.key, reason=f"{type(error).__name__}: {error}")
    return SignInRefused()
