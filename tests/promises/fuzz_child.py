"""The process that a reader meets damaged inputs in; see harness.py. An answer a line, as JSON."""

import contextlib
import faulthandler
import importlib
import json
import os
import re
import resource
import signal
import sys
import traceback
from pathlib import Path

_WAITS = 12  # times the processor time, before the clock on the wall ends it


class Hang(BaseException):
    """Above Exception, so that no reader takes it for a fault of the file."""


def _alarm(_number, _frame):
    raise Hang


def named(name: str):
    """The object of ``module:name``."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def main() -> None:
    job = json.load(sys.stdin)
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a reader prints is no answer
    reader, expects = named(job["reader"]), tuple(named(name) for name in job["expects"])
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + job["memory_bytes"]
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    signal.signal(signal.SIGPROF, _alarm)
    faulthandler.enable()
    print("ready", file=sys.stderr, flush=True)
    first = job["first"]
    with Path(job["packed"]).open("rb") as packed:
        packed.seek(sum(job["sizes"][:first]))
        for name, size in zip(job["names"][first:], job["sizes"][first:], strict=True):
            path = Path(job["folder"], name)
            path.write_bytes(packed.read(size))
            answers.write(json.dumps(_answer(reader, expects, path, job["seconds"])) + "\n")
            path.unlink()
    # of this program alone: ru_maxrss has the memory of the parent, which was this process until it called exec
    (peak_kib,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    peak_bytes = int(peak_kib) * 1024
    answers.write(json.dumps({"kind": "end", "peak_bytes": peak_bytes}) + "\n")
    answers.flush()
    os._exit(0)  # libraries of damaged files need not be closed in good order


def _answer(reader, expects, path, seconds) -> dict:
    with contextlib.ExitStack() as stack:
        stack.callback(signal.setitimer, signal.ITIMER_PROF, 0)
        stack.callback(faulthandler.cancel_dump_traceback_later)
        signal.setitimer(signal.ITIMER_PROF, seconds)  # of processor time: a busy machine makes no hang
        faulthandler.dump_traceback_later(_WAITS * seconds, exit=True)  # for what waits, or never returns to Python
        try:
            reader(path)
        except expects as error:
            return {"kind": "refused", "error": type(error).__name__, "message": str(error)}
        except Hang:
            return {"kind": "hang", "where": "".join(traceback.format_exc().splitlines()[-6:])}
        except BaseException as error:
            where = "".join(traceback.format_exc().splitlines(keepends=True)[-9:])
            return {"kind": "error", "error": type(error).__name__, "where": where[-1500:]}
    return {"kind": "read"}


if __name__ == "__main__":
    main()
