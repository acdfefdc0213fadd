"""A job that tries to leave its container, by whatever root in it can do."""
import json
import os
import socket

import lab
from harness import wait_until

# Runs as root in the job. Each attempt says what came of it: an errno's name, "done", or what was found.
SCRIPT = r"""
import ctypes, errno, json, os, socket, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
nfs_port, abstract, other, node_pid = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
out = {}

def attempt(name, work):
    try:
        result = work()
        out[name] = "done" if result is None or result is True else result
    except OSError as error:
        out[name] = errno.errorcode.get(error.errno, str(error))
    except Exception as error:
        out[name] = type(error).__name__

def call(number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), "")

def mount(source, target, kind, flags=0, data=None):
    if libc.mount(source, target, kind, flags, data) != 0:
        raise OSError(ctypes.get_errno(), "")

MS_REMOUNT, MS_BIND, MS_MOVE = 32, 4096, 8192
os.makedirs("/tmp/m", exist_ok=True)
attempt("mount tmpfs", lambda: mount(b"x", b"/tmp/m", b"tmpfs"))
attempt("mount proc", lambda: mount(b"x", b"/tmp/m", b"proc"))
attempt("mount sysfs", lambda: mount(b"x", b"/tmp/m", b"sysfs"))
attempt("mount nfs", lambda: mount(b"127.0.0.1:/", b"/tmp/m", b"nfs4"))
attempt("bind", lambda: mount(b"/etc", b"/tmp/m", None, MS_BIND))
attempt("remount sys", lambda: mount(None, b"/sys", None, MS_REMOUNT | MS_BIND))
attempt("remount proc/sys", lambda: mount(None, b"/proc/sys", None, MS_REMOUNT | MS_BIND))
attempt("umount masks", lambda: None if libc.umount2(b"/proc/kcore", 2) == 0 else (_ for _ in ()).throw(OSError(ctypes.get_errno(), "")))
attempt("new mount api", lambda: call(428, -1, b"/", 1))
attempt("unshare mounts", lambda: call(272, 0x20000))
attempt("setns of init", lambda: call(308, os.open("/proc/1/ns/mnt", os.O_RDONLY), 0))
attempt("pivot_root", lambda: call(155, b"/", b"/tmp"))
for name, kind, device in (("null", 0o020666, (1, 3)), ("disk", 0o060666, (8, 0)), ("mem", 0o020666, (1, 1)),
                           ("fuse", 0o020666, (10, 229)), ("loop", 0o060666, (7, 0))):
    attempt("mknod " + name, lambda: os.mknod("/tmp/" + name, kind, os.makedev(*device)))
out["devices"] = sorted(os.listdir("/dev"))
def write(path):
    with open(path, "wb", buffering=0) as file:
        file.write(b"1")
for path in ("/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches", "/proc/irq/default_smp_affinity",
             "/sys/kernel/mm/transparent_hugepage/enabled", "/sys/power/state", "/sys/module/printk/parameters/time",
             "/run/devrun/init", "/run/devrun/bin/devrun", "/run/devrun/new"):
    attempt("write " + path, lambda: write(path))
attempt("read /proc/kcore", lambda: len(open("/proc/kcore", "rb").read(8)))
attempt("read /dev/mem", lambda: open("/dev/mem", "rb"))
attempt("read /proc/keys", lambda: len(open("/proc/keys").read()))
out["processes"] = sum(name.isdigit() for name in os.listdir("/proc"))
attempt("kill another's", lambda: os.kill(node_pid, 0))
attempt("packet socket", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)))
attempt("raw socket", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
attempt("netlink change", lambda: (lambda s: (s.bind((0, 0)), s.send(struct.pack("=IHHIIBBHiII", 32, 16, 5, 1, 0, 0, 0, 0, 1, 0, 1)),
        (_ for _ in ()).throw(OSError(-struct.unpack_from("=i", s.recv(100), 16)[0], ""))))(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)))
def bind(port):
    with socket.socket() as s: s.bind(("127.0.0.1", port))
attempt("privileged port", lambda: bind(997))
def connect(family, address, protocol=0):
    try:
        s = socket.socket(family, socket.SOCK_STREAM, protocol)
    except OSError:
        raise OSError(errno.ENODEV, "a protocol that this kernel does not have")
    with s:
        s.settimeout(5)
        s.connect(address)
MPTCP = 262
for name, family, address in (("v4", socket.AF_INET, ("127.0.0.1", nfs_port)), ("other loopback", socket.AF_INET, ("127.9.9.9", nfs_port)),
                              ("any", socket.AF_INET, ("0.0.0.0", nfs_port)), ("any v6", socket.AF_INET6, ("::", nfs_port)),
                              ("v6", socket.AF_INET6, ("::1", nfs_port)), ("mapped", socket.AF_INET6, ("::ffff:127.0.0.1", nfs_port))):
    attempt("store " + name, lambda: connect(family, address))
    attempt("store mptcp " + name, lambda: connect(family, address, MPTCP))
attempt("abstract socket", lambda: connect(socket.AF_UNIX, "\0" + abstract))
def own_abstract():
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("\0own-" + str(os.getpid()))
        server.listen()
        connect(socket.AF_UNIX, "\0own-" + str(os.getpid()))
attempt("own abstract socket", own_abstract)
out["run"] = sorted(os.listdir("/run/devrun"))
out["seen"] = [path for path in (other, "/var/lib/devrun") if os.path.exists(path)]
for name, number, arguments in (("bpf", 321, (0, 0, 0)), ("perf", 298, (0, 0, -1, -1, 0)), ("module", 175, (0, 0, b"")),
                                ("kexec", 246, (0, 0, 0, 0)), ("keyctl", 250, (0, -5, 0)), ("add_key", 248, (b"user", b"x", b"x", 1, -4)), ("userfaultfd", 323, (0,)),
                                ("handle", 304, (-100, b"\0" * 8, 0)), ("reboot", 169, (0xfee1dead, 672274793, 0)),
                                ("iopl", 172, (3,)), ("settime", 227, (0, b"\0" * 16)), ("swapon", 167, (b"/tmp/x", 0)),
                                ("acct", 163, (b"/tmp/x",)), ("quotactl", 179, (0, 0, 0, 0))):
    attempt("call " + name, lambda: call(number, *arguments))
def chroot_out():
    os.makedirs("/tmp/jail", exist_ok=True)
    fd = os.open("/", os.O_RDONLY)
    os.chroot("/tmp/jail")
    os.fchdir(fd)
    for _ in range(64): os.chdir("..")
    os.chroot(".")
    return sorted(set(os.listdir("/")) & {"work", "var", "nodes"})
attempt("chroot", chroot_out)
attempt("after chroot", lambda: os.path.exists(other))
# With a user namespace of its own it has all capabilities over that alone.
reader, writer = os.pipe()
if os.fork() == 0:
    inner = {}
    def tries(name, work):
        try:
            work(); inner[name] = "done"
        except OSError as error:
            inner[name] = errno.errorcode.get(error.errno, str(error))
    tries("unshare user", lambda: call(272, 0x10000000 | 0x20000))
    tries("mknod", lambda: os.mknod("/tmp/userdisk", 0o060666, os.makedev(8, 0)))
    tries("privileged port", lambda: bind(998))
    tries("packet", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
    tries("mount sysfs rw", lambda: mount(b"x", b"/tmp/m", b"sysfs"))
    tries("store", lambda: connect(socket.AF_INET, ("127.0.0.1", nfs_port)))
    tries("write sys", lambda: write("/proc/sys/kernel/core_pattern"))
    os.write(writer, json.dumps(inner).encode())
    os._exit(0)
os.close(writer)
out["inner"] = json.loads(os.read(reader, 10000))
os.wait()
print(json.dumps(out))
"""


def test_a_hostile_job_does_not_get_out(cluster):
    name = lab.volume(cluster)
    with open(cluster.live("work/hostile.py", name), "w", encoding="utf-8") as file:
        file.write(SCRIPT)
    with open(os.path.join(cluster.folder, "cluster.json"), encoding="ascii") as file:
        nfs_port = json.load(file)["nfs_port"]
    with socket.create_connection(("127.0.0.1", nfs_port), timeout=5):
        pass  # the store answers the host
    abstract = f"devrun-e2e-hostile-{os.getpid()}"
    controller = cluster.pid("controller")
    neighbour = cluster.submit("echo secret > /tmp/secret; exec sleep 1000")
    cluster.await_state(neighbour, "RUNNING")
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("\0" + abstract)
            server.listen()
            done = cluster.devrun("--volume", name, "-C", "/", "--", "python3", "/work/hostile.py", str(nfs_port), abstract,
                                  cluster.folder, str(controller))
    finally:
        cluster.devrun("cancel", str(neighbour))
    assert done.status == 0, done
    out = json.loads(done.out)
    print_on_failure = json.dumps(out, indent=1)
    refused = {"EPERM", "EACCES", "EROFS", "ENOSYS", "ENOENT", "ENODEV", "EBUSY"}
    allowed = {"devices", "processes", "run", "seen", "inner", "own abstract socket", "chroot", "after chroot",
               "read /proc/kcore", "read /proc/keys", "kill another's"}
    for what, came in out.items():
        assert what in allowed or came in refused, (what, came, print_on_failure)
    assert out["own abstract socket"] == "done", print_on_failure
    for where in ("v4", "other loopback", "any", "any v6", "v6", "mapped"):
        assert out["store " + where] == "EPERM" and out["store mptcp " + where] in ("EPERM", "ENODEV"), print_on_failure
    assert out["abstract socket"] == "EPERM", print_on_failure
    assert out["kill another's"] == "ESRCH", print_on_failure
    assert out["read /proc/kcore"] in (0, "EACCES", "ENOENT") and out["read /proc/keys"] in (0, "EACCES", "ENOENT"), print_on_failure
    assert out["processes"] < 10 and out["seen"] == [] and out["after chroot"] is False, print_on_failure
    assert "nodes" not in out["chroot"], print_on_failure
    assert out["run"] == ["bin", "init", "shared", "socket"], print_on_failure
    assert set(out["devices"]) <= {"console", "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr",
                                   "stdin", "stdout", "tty", "urandom", "zero"}, print_on_failure
    inner = out["inner"]
    if inner["unshare user"] == "done":
        assert all(inner[what] in refused for what in ("mknod", "privileged port", "packet", "mount sysfs rw", "store",
                                                       "write sys")), print_on_failure


def test_jobs_do_not_see_each_other(cluster):
    first = cluster.submit("echo secret > /tmp/secret; echo secret > /dev/shm/secret; hostname; exec sleep 7791")
    cluster.await_state(first, "RUNNING")
    try:
        wait_until(lambda: cluster.devrun("exec", str(first), "cat", "/dev/shm/secret").out == b"secret\n", "it has begun")
        done = cluster.sh("ls /tmp /dev/shm; ps; id -u")
        assert b"secret" not in done.out and b"7791" not in done.out, done
    finally:
        cluster.devrun("cancel", str(first))


def test_sudo_and_apt_work_inside(cluster):
    """In a Debian of its own: what the sandbox takes away is nothing that these need."""
    done = cluster.devrun("volume", "create", "debian", "--from-debootstrap", "bookworm", "--include", "sudo", limit_s=110)
    assert done.status == 0, done
    user = ("echo 'ada:x:1000:1000::/root:/bin/sh' >> /etc/passwd; echo 'ada:*:19000:0:99999:7:::' >> /etc/shadow; "
            "echo 'ada ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/ada; "
            "setpriv --reuid 1000 --regid 1000 --clear-groups sudo -n id -u")
    done = cluster.devrun("--volume", "debian", "-C", "/", "--", "sh", "-c",
                          f"{user} && apt-get update -qq && apt-get install -y -qq --no-install-recommends bc && echo 6*7 | bc")
    assert done.status == 0 and done.out.splitlines()[0] == b"0" and done.out.endswith(b"42\n"), done


test_sudo_and_apt_work_inside.long = True


# Attaches to the container's process 1 and keeps it stopped, until a line comes.
HOLDER = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
ATTACH, DETACH = 16, 17
if libc.ptrace(ATTACH, 1, None, None) != 0: sys.exit(os.strerror(ctypes.get_errno()))
print("held", flush=True)
sys.stdin.readline()
libc.ptrace(DETACH, 1, None, None)
"""


def test_exec_into_a_job_that_holds_its_own_init_ends_and_says_so(cluster):
    with cluster.start("--volume", lab.volume(cluster), "-C", "/", "--", "python3", "-c", HOLDER) as child:
        try:
            assert child.stdout.readline() == b"held\n", child.communicate()
            job = max(one["job"] for one in cluster.jobs())
            done = cluster.devrun("exec", str(job), "true", limit_s=60)
            assert done.status == 125 and "traces it and holds it (python" in done.err, done
        finally:
            child.communicate(b"go\n", timeout=30)
