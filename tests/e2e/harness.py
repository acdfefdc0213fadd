"""One cluster of the built programs in a temporary folder, and what tests do with it.

Everything waits on conditions with a limit; nothing sleeps for a fixed time. Files of a live volume are reached through
the storage keeper's /proc/PID/root, since the store exists in no other namespace.
"""
import contextlib
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import leftovers  # noqa: E402

COMMAND_LIMIT_S = 60
STATE_LIMIT_S = 20
FINAL = ("SUCCEEDED", "FAILED", "CANCELLED", "TIMED_OUT", "NODE_LOST")


class Skip(Exception):
    """A test that cannot run here; says why."""


class Done:
    """How a program ended."""

    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def __repr__(self):
        return f"status {self.status}, stdout {self.out[-600:]!r}, stderr {self.err[-1200:]!r}"


def wait_until(condition, what, limit_s=STATE_LIMIT_S):
    """The first true value of condition()."""
    deadline = time.monotonic() + limit_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {limit_s} s: {what}")
        time.sleep(0.01)


def add_programs(folder, *paths):
    """Programs of this machine and the libraries they need, into the root of a volume."""
    said = subprocess.run(["ldd", *paths], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          check=False).stdout
    libraries = {word for line in said.splitlines() if "(0x" in line for word in line.split() if word.startswith("/")}
    for file in [*paths, *libraries]:
        at = folder + file
        os.makedirs(os.path.dirname(at), exist_ok=True)
        if not os.path.lexists(at):
            shutil.copy(file, at)


def make_root(folder):
    """The root of a small volume: busybox, bash for task files, two users, a few files."""
    for name in ("bin", "etc", "root", "work", "data", "tmp", "usr/bin", "home/ada", "var", "proc", "sys", "dev",
                 "run"):
        os.makedirs(os.path.join(folder, name), exist_ok=True)
    busybox = os.path.join(folder, "bin/busybox")
    shutil.copy("/bin/busybox", busybox)
    applets = subprocess.run([busybox, "--list"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    for applet in applets:
        if applet != "busybox":
            os.symlink("busybox", os.path.join(folder, "bin", applet))
    with contextlib.suppress(FileNotFoundError):
        os.remove(os.path.join(folder, "bin/bash"))
    add_programs(folder, "/bin/bash")
    write(os.path.join(folder, "etc/passwd"),
          "root:x:0:0:root:/root:/bin/sh\nada:x:1000:1000:Ada:/home/ada:/bin/sh\n")
    write(os.path.join(folder, "etc/group"), "root:x:0:\nada:x:1000:\nlab:x:2000:ada\n")
    os.chown(os.path.join(folder, "home/ada"), 1000, 1000)
    write(os.path.join(folder, "work/version"), "one\n")
    write(os.path.join(folder, "work/not-executable"), "#!/bin/sh\necho never\n")
    for name in ("twin1", "twin2"):
        write(os.path.join(folder, "work", name), "equal content of two files\n" * 300)
    with open(os.path.join(folder, "data/blob"), "wb") as file:
        file.write(os.urandom(3 << 20))


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def pid_in(path):
    """The pid in a pid file, if that very process lives."""
    try:
        with open(path, encoding="ascii") as file:
            pid, start = file.read().split()
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rsplit(")", 1)[1].split()
    except (OSError, ValueError):
        return None
    return int(pid) if fields[19] == start and fields[0] not in "ZX" else None


class Cluster:
    def __init__(self, build, nodes=3, volume="box", driver="btrfs", environment=None, size="2G"):
        self.size = size
        self.bin = os.path.join(build, "bin")
        self.nodes, self.volume, self.driver = nodes, volume, driver
        self.more_environment = environment or {}
        self.home = tempfile.mkdtemp(prefix="devrun-e2e-")
        os.chmod(self.home, 0o755)
        self.folder = os.path.join(self.home, "cluster")
        self.config = os.path.join(self.folder, "config.yaml")
        self.root = os.path.join(self.home, "root")
        self.blob = b""
        self.mark = os.environ.get(leftovers.MARK, "none")
        self.before = leftovers.take(self.mark)

    # ── running devrun ──────────────────────────────────────────────────────────────────────────────────────────────
    def environment(self, **more):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DEVRUN_CON", "DEVRUN_VOL"))}
        return {**kept, "HOME": self.home, "DEVRUN_CONFIG": self.config, "DEVRUN_VOLUME": self.volume,
                **self.more_environment, **more}

    def start(self, *words, env=None, cwd="/", **more):
        """`devrun WORDS…` in the background, with pipes."""
        return subprocess.Popen([os.path.join(self.bin, "devrun"), *words], cwd=cwd, stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                env=self.environment() if env is None else env, **more)

    def devrun(self, *words, stdin=b"", limit_s=COMMAND_LIMIT_S, env=None, cwd="/", **more):
        with self.start(*words, env=env, cwd=cwd, **more) as child:
            return finish(child, stdin, limit_s)

    def sh(self, script, *options, **more):
        """A job that runs a shell script."""
        return self.devrun(*options, "--", "sh", "-c", script, **more)

    def submit(self, script, *options):
        """The id of a detached job that runs a shell script."""
        done = self.devrun("-d", *options, "--", "sh", "-c", script)
        assert done.status == 0, done
        assert done.out.strip().isdigit(), f"-d prints the id alone: {done}"
        return int(done.out)

    # ── what the cluster says ───────────────────────────────────────────────────────────────────────────────────────
    def show(self, job):
        done = self.devrun("show", str(job), "--json")
        assert done.status == 0, done
        return json.loads(done.out)

    def jobs(self):
        done = self.devrun("ps", "-a", "--json")
        assert done.status == 0, done
        return json.loads(done.out)["jobs"]

    def await_state(self, job, *states, limit_s=STATE_LIMIT_S):
        def reached():
            record = self.show(job)
            assert record["state"] in states or record["state"] not in FINAL, f"wanted {states}: {record}"
            return record if record["state"] in states else None
        return wait_until(reached, f"job {job} {' or '.join(states)}", limit_s)

    def await_end(self, job, limit_s=STATE_LIMIT_S):
        return self.await_state(job, *FINAL, limit_s=limit_s)

    def cancel_all(self):
        with contextlib.suppress(AssertionError, ValueError):
            running = [str(job["job"]) for job in self.jobs() if job["state"] not in FINAL]
            if running:
                self.devrun("cancel", *running)
                for job in running:
                    self.await_end(job)

    @contextlib.contextmanager
    def filled(self):
        """No room on any node, until the end of the block."""
        sleepers = [self.submit("exec sleep 1000", "--cpus", "1") for _ in range(self.nodes)]
        try:
            for job in sleepers:
                self.await_state(job, "RUNNING")
            yield sleepers
        finally:
            self.devrun("cancel", *map(str, sleepers))
            for job in sleepers:
                self.await_end(job)

    # ── its files and processes ─────────────────────────────────────────────────────────────────────────────────────
    def pid(self, daemon):
        return pid_in(os.path.join(self.folder, "run", daemon + ".pid"))

    def live(self, path, volume=None):
        keeper = self.pid("store.keeper")
        assert keeper, "the storage keeper runs"
        return f"/proc/{keeper}/root{self.folder}/store/volumes/{volume or self.volume}/live/{path.lstrip('/')}"

    def kill(self, daemon, number=signal.SIGKILL):
        pid = self.pid(daemon)
        assert pid, f"{daemon} runs"
        os.kill(pid, number)
        # Its keeper may have started another one by then.
        wait_until(lambda: self.pid(daemon) != pid, f"the end of {daemon}")

    def mend(self):
        """`devrun up` again: starts what is missing."""
        done = self.devrun("up", "--store", self.folder)
        assert done.status == 0, done
        return done

    # ── life ────────────────────────────────────────────────────────────────────────────────────────────────────────
    def up(self, *options, **more):
        done = self.devrun("up", "--store", self.folder, "--nodes", str(self.nodes), *options, **more)
        assert done.status == 0, done
        return done

    def begin(self):
        make_root(self.root)
        with open(os.path.join(self.root, "data/blob"), "rb") as file:
            self.blob = file.read()
        self.up("--driver", self.driver, *(["--size", self.size] if self.driver == "btrfs" else []))
        done = self.devrun("volume", "create", self.volume, "--from-dir", self.root)
        assert done.status == 0, done

    def leaks(self):
        """What is there now and was not before the cluster, its own folder's things above all."""
        return [line for line in leftovers.new(self.before, leftovers.take(self.mark)) if self.home in line]

    def logs(self, since=""):
        """What the daemons logged since a time, as they write it."""
        out = []
        folder = os.path.join(self.folder, "run")
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            if name.endswith(".log"):
                with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
                    out += [f"{name[:-4]:>14}  {line}" for line in file if line >= since]
        return "".join(out)

    def end(self):
        """Down, whatever state it is in; what `down` cannot end is killed by its pid file."""
        try:
            if os.path.isdir(self.folder):
                self.devrun("down", "--store", self.folder)
        finally:
            run = os.path.join(self.folder, "run")
            for name in os.listdir(run) if os.path.isdir(run) else []:
                pid = pid_in(os.path.join(run, name)) if name.endswith(".pid") else None
                if pid:
                    os.kill(pid, signal.SIGKILL)
            shutil.rmtree(self.home, ignore_errors=True)


def finish(child, stdin=b"", limit_s=COMMAND_LIMIT_S):
    """Feeds it, waits for its end; killed beyond the limit, which is an error."""
    try:
        out, err = child.communicate(stdin, timeout=limit_s)
    except subprocess.TimeoutExpired:
        child.kill()
        out, err = child.communicate()
        raise AssertionError(f"still running after {limit_s} s: {' '.join(child.args)}: "
                             f"{Done(None, out, err)}") from None
    return Done(child.returncode, out, err.decode(errors="replace"))


def with_flags(cluster, controller=(), agent=()):
    """Starts controller and agents anew with more flags."""
    path = os.path.join(cluster.folder, "cluster.json")
    with open(path, encoding="utf-8") as file:
        record = json.load(file)
    record["controller_flags"] = list(controller)
    record["agent_flags"] = list(agent)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(record, file)
    agents = [f"node{i + 1}.agent" for i in range(cluster.nodes)] if agent else []
    for daemon in ["controller", *agents]:
        cluster.kill(daemon)
    cluster.mend()


@contextlib.contextmanager
def brought_up(cluster):
    """A cluster that only one test has, which must leave nothing."""
    try:
        cluster.begin()
        yield cluster
    except BaseException:
        print(cluster.logs(), flush=True)
        raise
    finally:
        cluster.end()
    wait_until(lambda: not cluster.leaks(), "nothing left behind", 10)


def own_cluster(nodes, driver="btrfs", environment=None):
    """For a test that kills or ends what others need: a cluster of its own, which must leave nothing."""
    def decorate(function):
        @functools.wraps(function)
        def wrapped(build):
            with brought_up(Cluster(build, nodes=nodes, driver=driver, environment=environment)) as cluster:
                function(cluster)
        wrapped.own = True
        return wrapped
    return decorate


def programs():
    """(program, words) of every process."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                with open(f"/proc/{name}/cmdline", encoding="utf-8", errors="replace") as file:
                    words = file.read().split("\0")
                yield os.path.basename(os.readlink(f"/proc/{name}/exe")).split(" ")[0], words


def mounts_of(pid):
    """(mount point, type, source) of what a process sees."""
    out = []
    with open(f"/proc/{pid}/mountinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            words = line.split()
            after = words[words.index("-") + 1:]
            out.append((words[4], after[0], after[1]))
    return out
