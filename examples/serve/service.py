"""The service as an ASGI application: a websocket that takes frames and gives outputs, `/model`, `/health` and `/metrics`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from time import perf_counter
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from examples.serve.batcher import Batcher, FullError
from examples.serve.metrics import CONTENT_TYPE, Metrics
from examples.serve.settings import Settings, load_model

__all__ = ["create_app"]

WRONG_KIND, BAD_DATA, TOO_SLOW, TOO_LARGE, FAILED, TRY_LATER = (
    1003,
    1007,
    1008,
    1009,
    1011,
    1013,
)  # RFC 6455, 7.4.1; IANA
LONGEST_REASON = 123  # bytes; RFC 6455, 5.5.1
LOG = logging.getLogger("uvicorn.error")
GOODBYE = 1.0  # seconds that a client has to take its close code (a guess)


class RefusedError(Exception):
    """The connection ends, with a code and a reason that the client is told."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


def create_app(settings: Settings, model: Any = None) -> Starlette:
    """The service; its model, unless it is given, is loaded when it starts, and compiled."""
    return Starlette(
        routes=[
            WebSocketRoute("/stream", stream),
            Route("/model", describe),
            Route("/health", health),
            Route("/metrics", metrics),
        ],
        lifespan=lambda app: lifespan(app, settings, model),
    )


@asynccontextmanager
async def lifespan(app: Starlette, settings: Settings, model: Any) -> AsyncIterator[None]:
    """Everything that lives as long as the service."""
    app.state.settings, app.state.metrics = settings, Metrics()
    app.state.model = load_model(settings.model) if model is None else model
    batcher = app.state.batcher = Batcher(app.state.model, settings.streams, app.state.metrics)
    batcher.warm_up()
    loop = app.state.loop = asyncio.create_task(batcher.run())
    try:
        yield
    finally:
        loop.cancel()
        with suppress(asyncio.CancelledError):
            await loop
        batcher.stop()


async def stream(ws: WebSocket) -> None:
    """A connection: one stream of the pool, from accept to whatever ends it."""
    state = ws.app.state
    code, reason = 0, ""
    try:
        await ws.accept()
        with state.batcher.stream() as name:
            await answer(ws, name)
    except WebSocketDisconnect:
        pass
    except FullError as error:
        code, reason = TRY_LATER, str(error)
    except RefusedError as error:
        code, reason = error.code, str(error)
    except Exception:
        LOG.exception("A stream failed.")
        code, reason = FAILED, "the service failed"
    if code:
        with suppress(TimeoutError, WebSocketDisconnect):
            async with asyncio.timeout(GOODBYE):
                await ws.close(code, reason.encode()[:LONGEST_REASON].decode(errors="ignore"))
    state.metrics.closed.labels(code or "client").inc()


async def answer(ws: WebSocket, name: int) -> None:
    """Answer one message after another until the client goes.

    This is all the backpressure there is, and all that is needed: a message is read when the answer to the last one is on its way.

    Raises:
        RefusedError: the client sends what it must not, or nothing, or does not read.
    """
    state = ws.app.state
    while True:
        try:
            async with asyncio.timeout(state.settings.idle):
                message = await ws.receive()
                if message["type"] == "websocket.disconnect":
                    return
                arrived = perf_counter()
                y = await state.batcher.step(name, parse(message, state.batcher, state.settings.steps))
                await ws.send_bytes(y.tobytes())
        except TimeoutError:
            raise RefusedError(TOO_SLOW, f"nothing sent, or nothing read, for {state.settings.idle:g} s") from None
        except (ValueError, IndexError) as error:  # what the model says of a frame
            raise RefusedError(BAD_DATA, str(error)) from error
        state.metrics.latency.observe(perf_counter() - arrived)


def parse(message: Any, batcher: Batcher, steps: int) -> np.ndarray:
    """The frame (D,) or chunk (T, D) of a message.

    Raises:
        RefusedError: it has none.
    """
    data = message.get("bytes")
    if data is None:
        raise RefusedError(WRONG_KIND, "expected a binary message, received text")
    size = batcher.frame_bytes
    if len(data) > steps * size:
        raise RefusedError(TOO_LARGE, f"expected at most {steps} frames, {steps * size} bytes; received {len(data)}")
    if not data or len(data) % size:
        raise RefusedError(BAD_DATA, f"expected a multiple of {size} bytes, received {len(data)}")
    shape = batcher.frame if len(data) == size else (len(data) // size, *batcher.frame)
    return np.frombuffer(data, batcher.dtype).reshape(shape)


async def describe(request: Request) -> Response:
    """What a client has to know."""
    state = request.app.state
    return JSONResponse(
        {
            "name": state.model.name,
            "frame": state.batcher.frame,
            "dtype": str(state.batcher.dtype),
            "output": state.model.outputs[0].shape[1:],
            "steps": state.settings.steps,
        }
    )


async def health(request: Request) -> Response:
    """200 while the batching loop runs, 503 when it does not."""
    state = request.app.state
    is_well = not state.loop.done()
    body = {"healthy": is_well, "streams": len(state.batcher), "capacity": state.batcher.capacity}
    return JSONResponse(body, 200 if is_well else 503)


async def metrics(request: Request) -> Response:
    """For Prometheus."""
    return Response(request.app.state.metrics.text(), media_type=CONTENT_TYPE)
