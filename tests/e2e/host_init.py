"""The first process of a host (hosts.py): makes its root and waits, taking in the dead.

    host_init.py DISK NAME READY_FD

DISK/state and DISK/srv become /var/lib/devrun and /srv; all else that the host writes is in memory. Runs in namespaces of
its own already, but for cgroups.
"""
import ctypes
import os
import signal
import subprocess
import sys

CLONE_NEWCGROUP = 0x02000000
libc = ctypes.CDLL(None, use_errno=True)


def mount(*words):
    subprocess.run(["mount", *words], check=True)


def own_cgroups(name, list_file):
    """Moves us into cgroups of our own and makes them the roots of what we see. Returns what to mount where."""
    mounts, made = [], []
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        for line in file:
            fields, _, after = line.rstrip().partition(" - ")
            where, kind, options = fields.split()[4], *after.split()[0::2]
            if kind in ("cgroup", "cgroup2") and where.startswith("/sys/fs/cgroup"):
                mounts.append((where, kind, options))
    own = {}
    with open("/proc/self/cgroup", encoding="utf-8") as file:
        for line in file:
            _, controllers, path = line.rstrip().split(":", 2)
            own[controllers] = path
    for where, kind, options in mounts:
        names = options.split(",")
        path = own[""] if kind == "cgroup2" else next(
            (at for controllers, at in own.items() if controllers and set(controllers.split(",")) <= set(names)), None)
        if path is None:
            continue
        folder = os.path.normpath(f"{where}/{path}/{name}")
        os.makedirs(folder, exist_ok=True)
        made.append(folder)
        if "cpuset" in names:
            for key in ("cpuset.cpus", "cpuset.mems"):
                with open(f"{folder}/../{key}", encoding="ascii") as above:
                    value = above.read()
                with open(f"{folder}/{key}", "w", encoding="ascii") as here:
                    here.write(value)
        with open(f"{folder}/cgroup.procs", "w", encoding="ascii") as procs:
            procs.write("0")
    with open(list_file, "w", encoding="utf-8") as file:
        file.write("\n".join(made))
    if libc.unshare(CLONE_NEWCGROUP) != 0:
        raise OSError(ctypes.get_errno(), "unshare cgroup")
    known = {"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "net_cls", "net_prio",
             "perf_event", "hugetlb", "rdma", "misc"}
    return [(where, kind, ",".join(word for word in options.split(",") if word in known or word.startswith("name=")))
            for where, kind, options in mounts]


def make_root(disk, name):
    # In memory, and outside of what is below it: an overlay's layers may not lie in one another.
    root = f"{disk}/root"
    os.makedirs(root)
    os.makedirs(f"{disk}/memory")
    mount("-t", "tmpfs", "-o", "mode=755,size=2G", "memory", f"{disk}/memory")
    for folder in ("upper", "work"):
        os.makedirs(f"{disk}/memory/{folder}")
    mount("-t", "overlay", "-o", f"lowerdir=/,upperdir={disk}/memory/upper,workdir={disk}/memory/work", "host", root)
    mount("-t", "proc", "proc", f"{root}/proc")
    mount("-t", "sysfs", "sysfs", f"{root}/sys")
    mount("--rbind", "/dev", f"{root}/dev")
    cgroups = own_cgroups(f"devrun-host-{os.path.basename(os.path.dirname(disk))}-{name}", f"{disk}/cgroups")
    top = f"{root}/sys/fs/cgroup"
    if not any(where == "/sys/fs/cgroup" for where, _, _ in cgroups):
        mount("-t", "tmpfs", "-o", "mode=755", "cgroup", top)
    for where, kind, options in cgroups:
        os.makedirs(root + where, exist_ok=True)
        mount("-t", kind, *(["-o", options] if options else []), "cgroup", root + where)
    for folder in ("run", "tmp"):
        mount("-t", "tmpfs", "-o", "mode=1777" if folder == "tmp" else "mode=755", folder, f"{root}/{folder}")
    # Whatever this machine has of devrun's own is not the host's.
    for folder, own in (("var/lib/devrun", "state"), ("srv", "srv"), ("etc/devrun", None)):
        os.makedirs(f"{root}/{folder}", exist_ok=True)
        if own:
            mount("--bind", f"{disk}/{own}", f"{root}/{folder}")
    os.makedirs(f"{root}/old", exist_ok=True)
    os.chdir(root)
    if libc.syscall(155, b".", b"old") != 0:  # pivot_root
        raise OSError(ctypes.get_errno(), "pivot_root")
    os.chdir("/")
    subprocess.run(["umount", "--lazy", "/old"], check=True)
    os.rmdir("/old")
    mount("--make-rshared", "/")
    subprocess.run(["hostname", name], check=True)


def main():
    disk, name, ready = sys.argv[1], sys.argv[2], int(sys.argv[3])
    make_root(disk, name)
    with os.fdopen(ready, "w") as file:
        file.write("ready\n")
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    while True:
        signal.sigwait([signal.SIGCHLD])
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass


main()
