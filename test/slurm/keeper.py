"""The parent of all that a test cluster starts, so that nothing outlives the test, however that ends.

Daemons and their jobs detach themselves; as the subreaper they come back to this process. When its standard input closes, which
it does also when the test is killed, everything below it is killed and the cluster's folder removed, with what is mounted in it.

    in    {"argv": [...], "env": {...}, "cwd": "...", "log": "..."}    start this
    out   {"started": PID}, {"failed": "why"}, later {"exited": PID, "status": N}
"""

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time

PR_SET_CHILD_SUBREAPER = 36


def say(fact):
    os.write(1, (json.dumps(fact) + "\n").encode())


def reap(*_):
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        try:
            say({"exited": pid, "status": os.waitstatus_to_exitcode(status)})
        except OSError:
            pass  # Nobody listens any more.


def start(order):
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    files = [(os.POSIX_SPAWN_DUP2, nothing, 0), (os.POSIX_SPAWN_DUP2, log, 1), (os.POSIX_SPAWN_DUP2, log, 2)]
    try:
        os.chdir(order["cwd"])
        return os.posix_spawn(order["argv"][0], order["argv"], order["env"], file_actions=files, setsid=True)
    finally:
        os.close(log)
        os.close(nothing)


def below(root):
    children = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open("/proc/%s/stat" % name) as stat:
                # The name in parentheses may contain anything; what counts stands behind it.
                parent = int(stat.read().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(name))
    found, look = [], [root]
    while look:
        mine = children.get(look.pop(), [])
        found += mine
        look += mine
    return found


def end(folder):
    # What is killed may just have had a child: again, until there is nobody.
    for _ in range(500):
        rest = below(os.getpid())
        if not rest:
            break
        for pid in rest:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.02)
        reap()
    os.chdir("/")
    with open("/proc/self/mounts") as mounts:
        for place in [line.split()[1] for line in mounts]:
            if place.startswith(folder + "/"):
                subprocess.run(["umount", "--lazy", place])
    shutil.rmtree(folder, ignore_errors=True)


def main(folder):
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGCHLD, reap)
    for polite in (signal.SIGTERM, signal.SIGQUIT):
        signal.signal(polite, lambda *_: sys.exit(0))
    try:
        for line in sys.stdin:
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
            try:
                say({"started": start(json.loads(line))})
            except OSError as error:
                say({"failed": str(error)})
            finally:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
    finally:
        end(folder)


main(sys.argv[1])
