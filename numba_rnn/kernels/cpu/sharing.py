"""How threads share a job, in compiled code: tasks that are taken, parts of a step that are claimed; nobody waits for a sleeper.

A job is one call of a kernel, which opens it; helper threads that find it open call the same kernel with the same arguments.
Whoever comes takes what nobody has taken yet, so that a helper who comes late, or never, costs nothing: the caller does all by
itself. It only ever waits for what a helper has begun. The words of a team, each on a cache line of its own:

    OPEN      the number of the job that may be joined, 0 if none may, -1 when helpers are to end
    JOB       the number of the last job
    CALL      how to call the kernel, two words (`calls.member_call`), and how many threads may take part
    INSIDE    helpers that may be at work
    TAKEN     tasks that were taken
    DONE      parts that are done, of all steps
    LENT      the address of the caller's workspace, where parts of a step share it, its size and its offset
    CLAIMS    for each part the step it is claimed for next, a line each
"""

from numba.extending import register_jitable

from numba_rnn.kernels.cpu.atomics import (
    add,
    address,
    array_at,
    compare_exchange,
    load,
    pause,
    put,
    yield_core,
)
from numba_rnn.kernels.cpu.calls import call_member
from numba_rnn.kernels.cpu.jit import kernel

__all__ = [
    "await_step",
    "borrow",
    "build_serve",
    "claim",
    "close_job",
    "done_part",
    "lend",
    "open_job",
    "take",
    "words",
]

LINE = 8  # words of a cache line
OPEN, JOB, CALL, INSIDE, TAKEN, DONE, LENT, CLAIMS = (LINE * i for i in range(8))
SEATS = CALL + 2

# Pauses before a waiting thread offers its core to others: some 20 us, longer than a helper that runs needs for a part.
PATIENCE = 500


def words(threads):
    """The size of a team's array."""
    return CLAIMS + LINE * threads


@register_jitable
def rest(pauses):
    """Wait a little for another thread, having paused so often already; returns one more."""
    if pauses < PATIENCE:
        pause()
    else:
        yield_core()
    return pauses + 1


@register_jitable
def open_job(team, seats, parts):
    """Let helpers in, up to `seats` threads with the caller; `calls.member_call` has written CALL."""
    team[SEATS] = seats
    team[TAKEN] = team[DONE] = 0
    for part in range(parts):
        team[CLAIMS + LINE * part] = 0
    team[JOB] += 1
    put(team, OPEN, team[JOB])


@register_jitable
def close_job(team):
    """Let nobody in any more, and wait for those inside."""
    put(team, OPEN, 0)
    pauses = 0
    while load(team, INSIDE) > 0:
        pauses = rest(pauses)


@register_jitable
def take(team, seats, task):
    """The next task after `task`: the next that nobody has taken, if others may be there."""
    return task + 1 if seats == 1 else add(team, TAKEN, 1)


@register_jitable
def claim(team, part, step):
    """Whether this thread does that part of that step."""
    word = CLAIMS + LINE * part
    return load(team, word) == step and compare_exchange(team, word, step, step + 1)


@register_jitable
def done_part(team):
    """Say that a part is done."""
    add(team, DONE, 1)


@register_jitable
def await_step(team, step, parts):
    """Wait until all parts of that step are done."""
    pauses = 0
    while load(team, DONE) < (step + 1) * parts:
        pauses = rest(pauses)


@register_jitable
def lend(team, workspace, offset):
    """Let helpers find the caller's workspace."""
    team[LENT], team[LENT + 1], team[LENT + 2] = address(workspace), workspace.size, offset


@register_jitable
def borrow(team, like):
    """The caller's workspace and its offset."""
    return array_at(team[LENT], team[LENT + 1], like), team[LENT + 2]


def build_serve(fingerprint):
    """serve(team, who, last, pauses): join jobs as thread number `who` until there was none for so many pauses.

    `last` is the number of the last job that this thread has seen; returns the new one, or -1 if helpers are to end.
    """

    @kernel()
    def serve(team, who, last, pauses):
        waited = 0 * fingerprint  # named, so that the disk cache knows it
        while waited < pauses:
            job = load(team, OPEN)
            if job < 0:
                return job
            if job in (0, last):
                waited += 1
                pause()
                continue
            add(team, INSIDE, 1)  # before the second look: from then on `close_job` waits
            if load(team, OPEN) == job and who < team[SEATS]:
                call_member(team, CALL, who)
            add(team, INSIDE, -1)
            last, waited = job, 0
        return last

    return serve
