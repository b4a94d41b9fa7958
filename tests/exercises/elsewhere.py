"""Work of tests that is done in processes of their own, which are killed if a part of it never ends."""

import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

from tinydist.exercises.apart import PROCESSES, by_itself

PATIENCE = 120
"""Seconds until a result: long, as kernels may have to be compiled first, and a busy machine lets processes wait."""

_OVER = getattr(signal, "SIGVTALRM", 0)
"""What ends a process that has computed for too long; Windows has nothing like it, so there PATIENCE alone tells."""

_starting = Lock()  # while a process starts, this one pretends to be another


def results(work, count, seconds, *args):
    """What ``work(start, *args)`` yields: one result for each of `count` parts, and None for a part that never ends.

    Args:
        work: a function of a module, which yields the results from part `start` on. Two processes share the parts out.
        count: of parts.
        seconds: of processor time that a part may take.
        args: passed on to `work`.
    """
    with ThreadPoolExecutor(2) as threads:
        halves = [(0, count // 2), (count // 2, count)]
        found = threads.map(lambda half: _results(work, *half, seconds, args), halves)
        return [result for half in found for result in half]


def _results(work, start, stop, seconds, args):
    found = []
    while start + len(found) < stop:
        ours, theirs = PROCESSES.Pipe(duplex=False)
        options = (theirs, work, start + len(found), seconds, args)
        process = PROCESSES.Process(target=_send, args=options, daemon=True)
        with _starting, by_itself():
            process.start()
        theirs.close()
        try:
            while start + len(found) < stop and ours.poll(PATIENCE):
                found.append(ours.recv())
        except EOFError:
            process.join()
            if process.exitcode != -_OVER:
                raise  # Python has crashed
        if start + len(found) < stop:
            found.append(None)
        process.kill()
        process.join()
    return found


def _send(connection, work, start, seconds, args):
    sys.settrace(None)  # under coverage it would take several times as long
    for result in work(start, *args):
        connection.send(result)
        _end_after(seconds)


def _end_after(seconds):
    """Let the system end this process when it has computed for so long, unless this is called again before."""
    if _OVER:
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
