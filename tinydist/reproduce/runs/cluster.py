"""A pool of the workers of a dask.distributed scheduler, on any number of machines.

They write into the results folder themselves, so it must be one that all of them share, and a run whose worker dies
goes on from its checkpoint on another one. While a sweep goes on, a hidden folder in the results folder holds its
progress; workers stop their runs when it has been removed.
"""

from __future__ import annotations

import asyncio
import logging
import platform
import secrets
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numba
from distributed import CancelledError, Client, KilledWorker, Security, as_completed, rpc
from threadpoolctl import threadpool_limits

from tinydist.errors import DataError
from tinydist.reproduce.runs.environment import versions
from tinydist.reproduce.runs.pool import PoolError, Task
from tinydist.reproduce.runs.records import RunRecord
from tinydist.reproduce.runs.run import tell

CONNECT_PATIENCE = 10.0
"""Seconds to wait for an answer of the scheduler."""

WORKER_PATIENCE = 60.0
"""Seconds to wait for a first worker."""

SCRATCH = ".sweep-"
"""How the names of the hidden folders begin."""

_one_at_a_time = threading.Lock()


@contextmanager
def connect(address: str) -> Iterator[ClusterPool]:
    """Yield a pool of the workers of the scheduler at `address`; disconnect at the end, whatever they are doing.

    Raises:
        DataError: if the scheduler does not answer, has no workers, or has some with several threads.
    """
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # all that goes wrong is raised as well
    try:
        asyncio.run(asyncio.wait_for(_greet(address), CONNECT_PATIENCE))
        client = Client(address, timeout=CONNECT_PATIENCE, set_as_default=False)
    # the last three: lack of TLS, unlike versions, an address without TLS where dask's settings require it
    except (OSError, ValueError, TypeError, ImportError, RuntimeError) as problem:
        raise DataError(
            f"no dask scheduler answers at {address!r} ({str(problem) or 'timeout'}). "
            "Start one with: dask scheduler; it says what its address is"
        ) from None
    try:
        pool = ClusterPool(client, address)
        pool.check_workers()
        yield pool
    finally:
        with suppress(TimeoutError):  # a scheduler that does not answer any more must not hide what happened
            client.close(timeout=CONNECT_PATIENCE)


async def _greet(address: str) -> None:
    """Check that a dask scheduler answers at `address`.

    A Client would wait without end for some servers that do not answer, and could not be closed then.

    Raises:
        ValueError: if something else answers, such as a worker.
        OSError: if nothing answers.
    """
    security = Security().get_connection_args("client")
    async with rpc(address, timeout=CONNECT_PATIENCE / 2, connection_args=security) as server:
        kind = (await server.identity())["type"]
    if kind != "Scheduler":
        raise ValueError(f"this is the address of a {kind}")


class ClusterPool:
    """The workers of a scheduler, each a process that does one run at a time with one thread.

    Args:
        client: connected to the scheduler.
        address: of the scheduler, to be named in messages.
    """

    def __init__(self, client: Client, address: str) -> None:
        self._client, self._address = client, address
        self._start_workers = f"dask worker {address} --nworkers 2 --nthreads 1"

    @property
    def jobs(self) -> int:
        return max(1, len(self._client.nthreads()))

    def check_workers(self) -> None:
        """Wait for a first worker, and check that every worker has one thread.

        Raises:
            DataError: if none comes, or one has several threads.
        """
        try:
            self._client.wait_for_workers(1, timeout=WORKER_PATIENCE)
        except TimeoutError:
            raise DataError(
                f"the dask scheduler at {self._address} has had no worker for {WORKER_PATIENCE:g} s. "
                f"Start some, on any machine, with: {self._start_workers}"
            ) from None
        several = [f"{worker} has {n}" for worker, n in self._client.nthreads().items() if n != 1]
        if several:
            raise DataError(
                f"a worker does one run at a time and must have one thread, but {', '.join(several)}. "
                f"Start workers with: {self._start_workers}"
            )

    @contextmanager
    def scratch(self, out: Path, /) -> Iterator[Path]:
        """Yield a hidden folder in `out`; remove those of earlier sweeps, so that runs still done for them stop.

        Raises:
            DataError: if some workers cannot see it.
        """
        out = out.resolve()
        for left_over in out.glob(f"{SCRATCH}*"):
            shutil.rmtree(left_over, ignore_errors=True)
        folder = out / f"{SCRATCH}{secrets.token_hex(8)}"
        folder.mkdir()
        try:
            self._check_shared(folder)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)  # a network file system may keep open files for a while

    def _check_shared(self, folder: Path) -> None:
        token = secrets.token_hex(8)
        (folder / "token").write_text(token, encoding="utf-8")
        blind = []
        for worker, answer in self._client.run(_look, folder / "token", on_error="return").items():
            if isinstance(answer, Exception):
                blind.append(f"{worker} ({answer})")
                continue
            seen, machine, theirs = answer
            if seen != token:
                blind.append(f"{worker} on {machine} (it sees another folder there)")
            changes = [
                f"{name} {theirs[name]} (here {ours})" for name, ours in versions().items() if theirs[name] != ours
            ]
            if changes:
                tell(f"{worker} on {machine} has {', '.join(changes)}: the last digits may differ")
        if blind:
            raise DataError(
                f"the results folder must be shared by all workers, at the same path {folder.parent}, and tinydist "
                f"installed with them; not so for {'; '.join(blind)}. Choose another folder with --out, or end these "
                "workers"
            )

    def do(self, tasks: Sequence[Task]) -> Iterator[RunRecord]:
        name = f"run-{secrets.token_hex(8)}"  # new each time, so that dask does not take a result from an earlier sweep
        keys = [(name, task.slot, str(task.config)) for task in tasks]
        futures = dict(zip(self._client.map(_do_alone, tasks, key=keys), tasks, strict=True))
        try:
            for future in as_completed(futures, loop=self._client.loop):
                try:
                    record = future.result()
                except KilledWorker as problem:
                    raise PoolError(
                        f"{futures[future].config} killed {problem.allowed_failures + 1} workers, the last of them "
                        f"{problem.last_worker.address}, perhaps for lack of memory"
                    ) from None
                except CancelledError:
                    raise PoolError(f"the dask scheduler at {self._address} has ended") from None
                yield record
        finally:
            self._client.cancel(list(futures))


def _look(token: Path) -> tuple[str, str, dict[str, str]]:
    """Read a file on a worker; return the contents, the name of the machine, and its versions."""
    return token.read_text(encoding="utf-8"), platform.node(), versions()


def _do_alone(task: Task) -> RunRecord:
    """Do a run on a worker, with one thread and no other run at the same time, and return its record."""
    with _one_at_a_time, threadpool_limits(1):
        numba.set_num_threads(1)
        return task.do()
