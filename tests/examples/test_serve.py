"""The serving example: right answers on the wire, limits that are told, and nothing left of clients that are gone."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import struct
import threading
import time
from contextlib import ExitStack, closing, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numba_rnn import Input, Model, Sequential, config, layers

for needed in ("prometheus_client", "starlette", "uvicorn"):
    pytest.importorskip(needed, reason="the serving example: pip install '.[serve]'")
client = pytest.importorskip("websockets.sync.client", reason="the serving example: pip install '.[serve]'")
ConnectionClosed = pytest.importorskip("websockets.exceptions").ConnectionClosed

ROOT = Path(__file__).parents[2]
D, STEPS = 4, 64


@pytest.fixture(autouse=True)
def examples(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.setattr(config.settings, "device", "reference")  # what is tested here is not the kernels


class Service:
    """A service in a thread."""

    def __init__(self, model: Any, tmp_path: Path, buffer: int | None = None, **limits: Any) -> None:
        from examples.serve.__main__ import server
        from examples.serve.settings import Settings

        model.save(tmp_path / "model.keras")
        settings = Settings(str(tmp_path / "model.keras"), **{"streams": 8, "steps": STEPS, **limits})
        self.server, self._sockets = server(settings, "127.0.0.1", 0)
        self.address = "{}:{}".format(*self._sockets[0].getsockname())
        if buffer:
            self._sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
            self._sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self._thread = threading.Thread(target=self.server.run, args=(self._sockets,))
        self._thread.start()
        wait_until(lambda: self.server.started)
        self.batcher = self.server.config.app.state.batcher

    def connect(self, **options: Any) -> Any:
        """A client, to be used in a `with`."""
        return client.connect(f"ws://{self.address}/stream", compression=None, **options)

    def get(self, path: str) -> tuple[int, str]:
        with closing(HTTPConnection(self.address)) as http:
            http.request("GET", path)
            reply = http.getresponse()
            return reply.status, reply.read().decode()

    def assert_empty(self) -> None:
        """Nothing is left of any client, now or soon."""
        state = self.server.server_state
        wait_until(lambda: not (self.batcher or state.tasks or state.connections))
        wait_until(lambda: len(self.batcher._pool) == 0)
        assert not self.batcher._waiting

    def stop(self) -> None:
        self.server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive()
        for s in self._sockets:
            s.close()


@pytest.fixture
def serve(tmp_path):
    started = []

    def start(model=None, **limits):
        started.append(Service(model or make(), tmp_path, **limits))
        return started[-1]

    yield start
    for service in started:
        service.stop()
        service.assert_empty()


def make(units=3):
    return Sequential([Input((None, D)), layers.GRU(5, return_sequences=True), layers.LSTM(6), layers.Dense(units)])


def wait_until(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def ended(ws):
    """The code and reason that a client is told."""
    try:
        while True:
            ws.recv(timeout=20)
    except ConnectionClosed as told:
        return told.rcvd.code, told.rcvd.reason


def vanish(ws):
    """What a client leaves that was killed, or whose machine went off: a reset, no closing words."""
    with suppress(OSError):  # the service may have ended it before
        ws.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    ws.close_socket()


# --- right answers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sequences", [True, False])
def test_answers_are_those_of_predict(serve, rng, sequences):
    model = Sequential([Input((None, D)), layers.GRU(5, return_sequences=sequences), layers.Dense(3)])
    service = serve(model)
    x = rng.standard_normal((3, 12, D)).astype("float32")
    at = np.zeros(3, int)
    with ExitStack() as stack:
        clients = [stack.enter_context(service.connect()) for _ in x]
        while (at < 12).any():
            to = np.minimum(at + rng.integers(0, 4, 3), 12)
            sent = np.flatnonzero(to > at)
            for n in sent:
                clients[n].send(x[n, at[n] : to[n]].tobytes())
            for n in sent:
                y = np.frombuffer(clients[n].recv(timeout=20), "float32").reshape(-1, 3)
                want = model.predict(x[n : n + 1, : to[n]], verbose=0)[0]
                np.testing.assert_allclose(y, want[at[n] :] if sequences else want[None], atol=1e-6)
            at = to


def test_who_sends_ahead_is_answered_in_order(serve, rng):
    model = make()
    x = rng.standard_normal((1, 300, D)).astype("float32")
    with serve(model).connect() as ws:
        for frame in x[0]:
            ws.send(frame.tobytes())
        for _ in range(300):
            y = ws.recv(timeout=20)
    np.testing.assert_allclose(np.frombuffer(y, "float32"), model.predict(x, verbose=0)[0], atol=1e-6)


# --- limits ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "code", "reason"),
    [
        ("text", 1003, "expected a binary message, received text"),
        (b"", 1007, "expected a multiple of 16 bytes, received 0"),
        (b"12345", 1007, "expected a multiple of 16 bytes, received 5"),
        (bytes(16 * (STEPS + 1)), 1009, "expected at most 64 frames, 1024 bytes; received 1040"),
    ],
)
def test_what_does_not_fit_ends_the_connection(serve, message, code, reason):
    service = serve()
    with service.connect() as ws, service.connect() as other:
        ws.send(message)
        assert ended(ws) == (code, reason)
        wait_until(lambda: len(service.batcher) == 1)
        other.send(bytes(16 * STEPS))
        assert len(other.recv(timeout=20)) == 12
    wait_until(lambda: f'serve_closed_total{{code="{code}"}} 1.0' in service.get("/metrics")[1])


def test_a_message_far_too_large_is_not_even_kept(serve):
    """The service itself never sees it: 256 clients must not make it hold 16 MiB each, which is what servers take unasked."""
    service = serve()
    with service.connect() as ws:
        ws.send(bytes(1 << 20))
        code, reason = ended(ws)
    assert code == 1009
    assert "2048" in reason
    wait_until(lambda: 'serve_closed_total{code="client"} 1.0' in service.get("/metrics")[1])


def test_what_the_model_refuses_ends_the_connection(serve):
    service = serve(Sequential([Input((None,), dtype="int32"), layers.Embedding(9, D), layers.LSTM(3)]))
    with service.connect() as ws:
        ws.send(np.int32(3).tobytes())
        assert len(ws.recv(timeout=20)) == 12
        ws.send(np.int32(9).tobytes())
        code, reason = ended(ws)
    assert code == 1007
    assert "9" in reason


def test_a_failure_inside_ends_the_connection(serve, monkeypatch):
    service = serve()

    def fail(frames):
        raise MemoryError

    with service.connect() as ws:
        monkeypatch.setattr(service.batcher._pool, "step", fail)
        ws.send(bytes(16))
        assert ended(ws) == (1011, "the service failed")


def test_the_idle_make_place(serve):
    service = serve(idle=0.2, streams=1)
    with service.connect() as ws:
        assert ended(ws) == (1008, "nothing sent, or nothing read, for 0.2 s")
    service.assert_empty()


def test_there_are_as_many_as_there_may_be(serve):
    service = serve(streams=2)
    with service.connect(), service.connect() as second:
        with service.connect() as third:
            assert ended(third) == (1013, "all 2 streams are taken")
        assert json.loads(service.get("/health")[1]) == {"healthy": True, "streams": 2, "capacity": 2}
        second.close()
        wait_until(lambda: len(service.batcher) == 1)
        with service.connect() as fourth:
            fourth.send(bytes(16))
            assert len(fourth.recv(timeout=20)) == 12


def test_who_does_not_read_is_stopped_and_holds_up_nobody(serve):
    service = serve(make(units=2000), buffer=4096, idle=1)
    sent = []

    def flood(ws):
        with suppress(ConnectionClosed):
            while True:
                ws.send(bytes(16 * STEPS))
                sent.append(1)

    with service.connect(max_queue=1) as slow:  # its library reads no further than this
        flooding = threading.Thread(target=flood, args=(slow,), daemon=True)
        flooding.start()
        with service.connect() as other:
            seen = []
            while len(service.batcher) == 2:  # until the slow one's time is over
                other.send(bytes(16))
                assert len(other.recv(timeout=20)) == 8000
                seen.append(len(sent))
        assert len(seen) > 20
        assert seen[-1] == seen[-len(seen) // 4]  # the flood had come to stand long before
        wait_until(lambda: not service.server.server_state.connections)  # not even its socket is left
    flooding.join(20)
    assert not flooding.is_alive()


# --- nothing is left ------------------------------------------------------------------------------------------------


def test_clients_that_vanish_leave_nothing(serve):
    from starlette.websockets import WebSocket

    service = serve(idle=0.3)

    def come_and_go(times):
        for _ in range(times):
            with ExitStack() as stack:
                clients = [stack.enter_context(service.connect()) for _ in range(6)]
                with suppress(ConnectionClosed):  # on a slow machine they may have been idle by now
                    for ws in clients[:5]:
                        ws.send(bytes(16 * STEPS))
                    clients[0].recv(timeout=20)
                    clients[1].send(bytes(5))
                    clients[2].send(bytes(16 * (STEPS + 1)))
                for ws in clients[:5]:
                    vanish(ws)
                ended(clients[5])  # which was idle
        service.assert_empty()
        gc.collect()
        kept = (WebSocket, asyncio.Future, asyncio.Transport)
        return sum(issubclass(type(o), kept) for o in gc.get_objects())

    before = come_and_go(1)
    assert come_and_go(4) <= before + 4  # of 24 clients: one may be on its way out


def test_who_vanishes_before_the_answer_is_no_failure(serve, monkeypatch):
    service, running, gone = serve(), threading.Event(), threading.Event()
    step = service.batcher._pool.step

    def slow(frames):
        running.set()
        gone.wait(20)
        return step(frames)

    monkeypatch.setattr(service.batcher._pool, "step", slow)
    with service.connect() as ws:
        ws.send(bytes(16))
        assert running.wait(20)
        vanish(ws)
        wait_until(lambda: not service.server.server_state.connections)
        gone.set()
    service.assert_empty()
    wait_until(lambda: 'serve_closed_total{code="client"} 1.0' in service.get("/metrics")[1])


def test_who_does_not_take_the_last_word_is_not_waited_for(serve, monkeypatch):
    from starlette.websockets import WebSocket

    async def never(*_):
        await asyncio.sleep(3600)

    service = serve()
    monkeypatch.setattr("examples.serve.service.GOODBYE", 0.05)
    monkeypatch.setattr(WebSocket, "close", never)
    with service.connect() as ws:
        ws.send("text")
        service.assert_empty()


def test_the_service_ends_and_says_so(serve):
    service = serve()
    with service.connect() as ws:
        ws.send(bytes(16))
        ws.recv(timeout=20)
        service.stop()
        assert ended(ws)[0] == 1012  # "service restart"
    service.assert_empty()
    assert not [t for t in threading.enumerate() if t.name.startswith("batches")]


# --- what is around it ----------------------------------------------------------------------------------------------


def test_what_a_client_and_an_operator_can_ask(serve):
    service = serve()
    status, text = service.get("/model")
    known = json.loads(text)
    assert status == 200
    assert (known["frame"], known["dtype"], known["output"], known["steps"]) == ([D], "float32", [3], STEPS)
    with service.connect() as ws:
        ws.send(bytes(16))
        ws.recv(timeout=20)
        text = service.get("/metrics")[1]
        assert "serve_streams_open 1.0" in text
        assert "serve_batch_streams_sum 1.0" in text
    service.server.config.app.state.loop.cancel()
    wait_until(lambda: service.get("/health")[0] == 503)


def test_a_wrong_model_is_told_before_the_service_starts(tmp_path):
    from click.testing import CliRunner

    from examples.serve.__main__ import main

    x = Input((None, D))
    Model(x, layers.Bidirectional(layers.LSTM(2))(x)).save(tmp_path / "both.keras")
    for name, message in (("none.keras", "none.keras"), ("both.keras", "needs the whole sequence")):
        result = CliRunner().invoke(main, [str(tmp_path / name), "--port", "0"])
        assert result.exit_code == 2
        assert message in result.output


def test_a_year_without_a_word(serve):
    with serve(idle=3e7).connect() as ws:
        ws.send(bytes(16))
        assert len(ws.recv(timeout=20)) == 12


def test_the_load_test_starts_and_ends_a_service_of_its_own(monkeypatch):
    from click.testing import CliRunner

    from examples.serve.load import main

    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("NUMBA_RNN_DEVICE", "reference")
    result = CliRunner().invoke(main, ["--streams", "6", "--rate", "20", "--seconds", "0.5"], catch_exceptions=False)
    assert result.exit_code == 0
    assert "6 streams at 20 frames/s" in result.output
    assert "latency p50" in result.output
    assert "streams left open 0" in result.output
