"""The command line of the service."""

from __future__ import annotations

import socket
from typing import Any

import click
import uvicorn

from examples.serve.service import create_app
from examples.serve.settings import DEMO, Settings, frame_bytes, load_model

__all__ = ["main", "server"]

LONGEST = 2**31 - 1  # milliseconds that Linux takes
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
        made, sockets = server(settings, host, port)
    except (OSError, ValueError) as error:
        raise click.UsageError(str(error)) from None
    what = "a demonstration, since no MODEL was named," if settings.model == DEMO else settings.model
    click.echo("Serving {} on ws://{}:{}/stream".format(what, *sockets[0].getsockname()[:2]))
    made.run(sockets)


def server(settings: Settings, host: str, port: int) -> tuple[uvicorn.Server, list[socket.socket]]:
    """The server, and the sockets to run it on.

    Raises:
        OSError, ValueError: there is no such model, or it cannot serve streams.
    """
    model = load_model(settings.model)
    config = uvicorn.Config(
        create_app(settings, model),
        host=host,
        port=port,
        log_level="warning",
        ws_per_message_deflate=False,  # numbers hardly compress
        ws_max_size=2 * settings.steps * frame_bytes(model),  # of which a message is kept until it is refused
        timeout_graceful_shutdown=GRACE,
    )
    listening = config.bind_socket()
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # A client that stays connected and reads nothing: what is left unsent would keep its connection for ever.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, min(int(1000 * settings.idle), LONGEST))
    return uvicorn.Server(config), [listening]


if __name__ == "__main__":
    main()
