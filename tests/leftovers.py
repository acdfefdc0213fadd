"""What a test could leave behind: processes, mounts in any namespace, loop devices, sockets, cgroups.

Taken before and after; what is new and ours is a leak. Processes are ours by a mark in their environment that every
child inherits, or by program; the rest by path.
"""
import os
import re

MARK = "DEVRUN_TESTS_MARK"
PROGRAMS = re.compile(r"^(devrun|devrun-\w+|ganesha\.nfsd|crun)$")
OURS = re.compile(r"devrun")


def _read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def _pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _ancestors():
    out, pid = set(), os.getpid()
    while pid > 1:
        out.add(pid)
        stat = _read(f"/proc/{pid}/stat").decode(errors="replace")
        if not stat:
            break
        pid = int(stat.rsplit(")", 1)[1].split()[1])
    return out


def processes(mark):
    out = {}
    skip = _ancestors()
    for pid in _pids():
        stat = _read(f"/proc/{pid}/stat").decode(errors="replace")
        if pid in skip or not stat:
            continue
        fields = stat.rsplit(")", 1)[1].split()
        if fields[0] in "ZX":
            continue
        words = _read(f"/proc/{pid}/cmdline").split(b"\0")
        program = os.path.basename(words[0].decode(errors="replace"))
        marks = {entry.partition(b"=")[2].decode() for entry in _read(f"/proc/{pid}/environ").split(b"\0")
                 if entry.startswith(MARK.encode() + b"=")}
        # One without a mark may have lost it; one with another is another run's.
        if mark in marks or (not marks and PROGRAMS.match(program)):
            out[(pid, fields[19])] = " ".join(word.decode(errors="replace") for word in words[:8])
    return out


def mounts():
    out = set()
    seen = set()
    for pid in _pids():
        try:
            namespace = os.readlink(f"/proc/{pid}/ns/mnt")
        except OSError:
            continue
        if namespace in seen:
            continue
        seen.add(namespace)
        for line in _read(f"/proc/{pid}/mountinfo").decode(errors="replace").splitlines():
            words = line.split(" ")
            after = words[words.index("-") + 1:]
            if OURS.search(line):
                out.add((words[3], words[4], after[0], after[1]))
    return out


def loop_devices():
    out = set()
    for name in os.listdir("/sys/block"):
        file = _read(f"/sys/block/{name}/loop/backing_file").decode(errors="replace").strip()
        if file:
            out.add((name, file))
    return out


def sockets():
    out = set()
    for line in _read("/proc/net/unix").decode(errors="replace").splitlines()[1:]:
        words = line.split()
        if len(words) > 7 and OURS.search(words[7]):
            out.add(words[7])
    return out


def cgroups():
    top = "/sys/fs/cgroup"
    folders = [top] + [os.path.join(top, name) for name in os.listdir(top)] if os.path.isdir(top) else []
    return {os.path.join(folder, name) for folder in folders if os.path.isdir(folder)
            for name in os.listdir(folder) if OURS.search(name)}


def take(mark):
    return {"process": processes(mark), "mount": mounts(), "loop device": loop_devices(), "socket": sockets(),
            "cgroup": cgroups()}


def new(before, after):
    """Lines that say what is there now and was not before."""
    out = []
    for kind, now in after.items():
        for key in sorted(set(now) - set(before[kind]), key=str):
            out.append(f"{kind} left: {key} {now[key] if isinstance(now, dict) else ''}".rstrip())
    return out
