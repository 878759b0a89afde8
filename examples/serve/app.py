"""The service for any ASGI server, with settings from the environment: `uvicorn examples.serve.app:app`."""

from __future__ import annotations

from examples.serve.service import create_app
from examples.serve.settings import Settings

__all__ = ["app"]

app = create_app(Settings.read())
