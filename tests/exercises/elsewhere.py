"""Work of tests that is done in a process of its own, which is killed if a part of it never ends."""

import sys

from tinydist.exercises.apart import PROCESSES, by_itself

STARTING = 120
"""Seconds until the first result, in which kernels of the library may have to be compiled."""


def results(work, count, seconds, *args):
    """What ``work(start, *args)`` yields: one result for each of `count` parts, and None for a part that never ends.

    Args:
        work: a function of a module, which yields the results from part `start` on.
        count: of parts.
        seconds: that a part may take.
        args: passed on to `work`.
    """
    found = []
    while len(found) < count:
        ours, theirs = PROCESSES.Pipe(duplex=False)
        process = PROCESSES.Process(target=_send, args=(theirs, work, len(found), args), daemon=True)
        with by_itself():
            process.start()
        theirs.close()
        try:
            limit = STARTING
            while ours.poll(limit):
                found.append(ours.recv())
                limit = seconds
            found.append(None)
        except EOFError:
            assert len(found) == count, "Python has crashed"
        process.kill()
        process.join()
    return found


def _send(connection, work, start, args):
    sys.settrace(None)  # under coverage it would take several times as long
    for result in work(start, *args):
        connection.send(result)
