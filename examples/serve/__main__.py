"""The command line of the service."""

from __future__ import annotations

import socket
from typing import Any

import click
import uvicorn

from examples.serve.service import create_app
from examples.serve.settings import DEMO, Settings

__all__ = ["main", "server"]

GRACE = 5  # seconds for connections to end when the service does (a guess)


@click.command()
@click.argument("model", required=False)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True)
@click.option("--streams", type=int, help=f"Connections that may be open at once.  [default: {Settings.streams}]")
@click.option("--steps", type=int, help=f"Frames that a message may hold.  [default: {Settings.steps}]")
@click.option("--idle", type=float, help=f"Seconds without a message, or unread.  [default: {Settings.idle:g}]")
def main(host: str, port: int, **given: Any) -> None:
    """Serve MODEL, a file, to a stream a connection; without MODEL a demonstration with random weights."""
    try:
        settings = Settings.read(**given)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    made, sockets = server(settings, host, port)
    what = "a demonstration, since no MODEL was named," if settings.model == DEMO else settings.model
    click.echo("Serving {} on ws://{}:{}/stream".format(what, *sockets[0].getsockname()[:2]))
    made.run(sockets)


def server(settings: Settings, host: str, port: int) -> tuple[uvicorn.Server, list[socket.socket]]:
    """The server, and the sockets to run it on."""
    config = uvicorn.Config(
        create_app(settings),
        host=host,
        port=port,
        log_level="warning",
        ws_per_message_deflate=False,  # numbers hardly compress
        timeout_graceful_shutdown=GRACE,
    )
    listening = config.bind_socket()
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # A client that stays connected and reads nothing: what is left unsent would keep its connection for ever.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(1000 * settings.idle))
    return uvicorn.Server(config), [listening]


if __name__ == "__main__":
    main()
