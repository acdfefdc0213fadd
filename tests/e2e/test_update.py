"""Parts of two versions: each works with the others of the version before, and is exchanged under running jobs.

Needs the programs of another version: DEVRUN_PREVIOUS_PROGRAMS names their folder (tests/e2e/previous-release makes it).
`devrun up` of that version begins the cluster, and then file after file is exchanged as an installation does it, and its
daemon started again with the words that it had: no machine starts a daemon with words of another version.
"""
import contextlib
import os
import shutil
import signal
import subprocess

from harness import Cluster, Skip, brought_up, pid_in, wait_until

PREVIOUS = "DEVRUN_PREVIOUS_PROGRAMS"
NODE_PARTS = ("devrun-shim", "devrun-gpus", "devrun-keeper", "devrun-fs", "devrun-agent")


class Mixed(Cluster):
    """Its programs are copies, of one version or the other."""

    def __init__(self, build):
        previous = os.environ.get(PREVIOUS)
        if not previous or not os.path.exists(os.path.join(previous, "devrun-controller")):
            raise Skip(f"no programs of another version. Try: tests/e2e/previous-release HEAD~20, and {PREVIOUS}")
        super().__init__(build, nodes=2)
        self.new, self.old = self.bin, previous
        self.bin = os.path.join(self.home, "bin")
        os.mkdir(self.bin)
        for name in os.listdir(self.old):
            shutil.copy(os.path.join(self.old, name), self.bin)
        self.respawned = []

    def install(self, *names):
        for name in names:
            path = os.path.join(self.bin, name)
            shutil.copy(os.path.join(self.new, name), path + ".new")
            os.rename(path + ".new", path)

    def restart(self, daemon):
        """As systemd does it: the same words, another program."""
        pid = self.pid(daemon)
        with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
            words = file.read().split("\0")[:-1]
        space = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY)
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: self.pid(daemon) is None, f"the end of {daemon}")
        log = os.path.join(self.folder, "run", daemon + ".log")
        with open(log, "ab") as out:
            child = subprocess.Popen(["nsenter", f"--mount=/proc/self/fd/{space}", *words], stdin=subprocess.DEVNULL,
                                     stdout=out, stderr=out, pass_fds=[space], start_new_session=True, cwd="/")
        os.close(space)
        with open(f"/proc/{child.pid}/stat", encoding="utf-8", errors="replace") as file:
            start = file.read().rsplit(")", 1)[1].split()[19]
        with open(os.path.join(self.folder, "run", daemon + ".pid"), "w", encoding="ascii") as file:
            file.write(f"{child.pid} {start}\n")
        self.respawned.append(child)

    def by(self, folder, *words, **more):
        """A devrun of that version."""
        keep, self.bin = self.bin, folder
        try:
            done = self.devrun(*words, **more)
        finally:
            self.bin = keep
        assert done.status == 0, (folder, words, done)
        return done

    def end(self):
        self.install("devrun")
        super().end()
        for child in self.respawned:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(10)


COUNTS = "i=0; until [ -e $DEVRUN_SHARED/go ]; do echo $i; i=$((i+1)); sleep 0.05; done; echo made > /root/made; echo whole"


class Witness:
    """A job that runs through all of it, on each node, and one that reads its output."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.job = cluster.submit(COUNTS, "--nodes", "2", "--cpus", "0.25")
        cluster.await_state(self.job, "RUNNING")

    def goes_on(self, what):
        """Something new of its output arrives."""
        cluster = self.cluster

        def lines():
            return cluster.devrun("logs", "--rank", "1", str(self.job)).out.count(b"\n")
        before = wait_until(lines, f"{what}: output is read", 60)
        wait_until(lambda: lines() > before, f"{what}: output goes on", 60)
        assert cluster.show(self.job)["state"] == "RUNNING", what

    def ends_whole(self):
        cluster = self.cluster
        with open(os.path.join(cluster.folder, "shared", str(self.job), "go"), "w", encoding="ascii"):
            pass
        record = cluster.await_end(self.job, 60)
        assert record["state"] == "SUCCEEDED", record
        for rank in ("0", "1"):
            said = cluster.devrun("logs", "--rank", rank, str(self.job)).out.decode().split("\n")
            assert said[-2:] == ["whole", ""] and said[:-2] == [str(i) for i in range(len(said) - 2)], said[-5:]
        with open(cluster.live("root/made"), encoding="ascii") as file:
            assert file.read() == "made\n"


def works(cluster, what):
    """A job of each version's devrun, and what people ask most."""
    for folder in (cluster.old, cluster.new):
        done = cluster.by(folder, "--cpus", "0.25", "--", "sh", "-c", "cat; echo err >&2", stdin=b"in\n", limit_s=90)
        assert done.out == b"in\n" and "err" in done.err, (what, done)
        for words in (["ps"], ["volume", "ls"], ["nodes"], ["snapshot", "ls", "box"], ["usage"]):
            cluster.by(folder, *words)
        job = cluster.by(folder, "-d", "--cpus", "0.25", "--", "true").out.decode().strip()
        cluster.by(folder, "wait", job, limit_s=90)


def await_nodes(cluster):
    wait_until(lambda: cluster.devrun("nodes").out.count(b"up") >= 3, "all nodes are up", 60)


def update_node(cluster, node, witness):
    """As the package of a node does it: devrun-fs by its keeper, then the agent."""
    cluster.kill(f"{node}.fs")
    wait_until(lambda: pid_in(os.path.join(cluster.folder, "run", f"{node}.fs.pid")), f"{node}'s devrun-fs is back", 60)
    cluster.restart(f"{node}.agent")
    await_nodes(cluster)
    witness.goes_on(f"{node} is new")


def test_an_old_controller_with_new_nodes(build):
    with brought_up(Mixed(build)) as cluster:
        witness = Witness(cluster)
        works(cluster, "all old")
        cluster.install(*NODE_PARTS)
        for node in ("node1", "node2"):
            update_node(cluster, node, witness)
            works(cluster, f"{node} is new")
        witness.ends_whole()


def test_a_new_controller_with_old_nodes_and_then_all_is_new(build):
    with brought_up(Mixed(build)) as cluster:
        witness = Witness(cluster)
        cluster.install("devrun-controller")
        cluster.restart("controller")
        await_nodes(cluster)
        witness.goes_on("the controller is new")
        works(cluster, "the controller is new")
        cluster.install(*NODE_PARTS)
        for node in ("node1", "node2"):
            update_node(cluster, node, witness)
        works(cluster, "all is new")
        # And as `devrun up` of the new version finds it.
        cluster.install(*[name for name in os.listdir(cluster.new) if name.startswith("devrun") and
                          os.path.isfile(os.path.join(cluster.new, name))])
        done = cluster.devrun("up", "--store", cluster.folder, limit_s=120)
        assert done.status == 0, done
        await_nodes(cluster)
        witness.goes_on("after the new up")
        witness.ends_whole()


for function in (test_an_old_controller_with_new_nodes, test_a_new_controller_with_old_nodes_and_then_all_is_new):
    function.own = True
    function.limit_s = 300
