"""The WSGI application, from the environment's settings."""

from app import logs
from app.config import Settings
from app.factory import create_app

settings = Settings.from_env()
logs.configure(settings)
application = create_app(settings)
