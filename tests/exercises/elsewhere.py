"""Work of tests that is done in processes of their own, which are killed if a part of it never ends."""

import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

from tinydist.exercises.apart import PROCESSES, by_itself

STARTING = 120
"""Seconds until the first result, in which kernels of the library may have to be compiled."""

_starting = Lock()  # while a process starts, this one pretends to be another


def results(work, count, seconds, *args):
    """What ``work(start, *args)`` yields: one result for each of `count` parts, and None for a part that never ends.

    Args:
        work: a function of a module, which yields the results from part `start` on. Two processes share the parts out.
        count: of parts.
        seconds: that a part may take.
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
        process = PROCESSES.Process(target=_send, args=(theirs, work, start + len(found), args), daemon=True)
        with _starting, by_itself():
            process.start()
        theirs.close()
        limit = STARTING
        while start + len(found) < stop and ours.poll(limit):
            found.append(ours.recv())  # EOFError: Python has crashed
            limit = seconds
        if start + len(found) < stop:
            found.append(None)
        process.kill()
        process.join()
    return found


def _send(connection, work, start, args):
    sys.settrace(None)  # under coverage it would take several times as long
    for result in work(start, *args):
        connection.send(result)
