"""The kill matrix: `kill -9` of each part at each moment of a job's life, and power loss of its node.

Each case runs a job that says who it is, writes lines all the while and holds a lock file on the host while it runs, so
that a second run at the same time would be seen. After the kill the cluster is mended (`devrun up`), and then it is
checked: the promised end, no duplicate run, no acknowledged output lost, nothing leaked. The matrix is printed with
counts. DEVRUN_KILLS repeats each case that often in the long run.
"""
import contextlib
import os
import signal
import time

from harness import FINAL, own_cluster, wait_until
from test_faults import processes, processes_of_node, shims_of

PARTS = ("cli", "controller", "agent", "nfs", "shim", "crun", "node", "fs")
MOMENTS = ("queued", "starting", "running", "ending")
RETRIED = ("shim", "crun", "node")  # their death ends the attempt: once more, if asked
LINES = 30


class Broken(AssertionError):
    """What was promised and did not hold."""


def script(mark):
    """Says which attempt it is, then a line each 20 ms; `go` in its live folder lets it come to its end."""
    return (f"echo begin $DEVRUN_ATTEMPT {mark}; i=0; "
            f"while [ $i -lt {LINES} ]; do echo line $i; i=$((i + 1)); sleep 0.02; done; echo end; exit 3")


class Case:
    def __init__(self, cluster, part, moment, number):
        self.cluster, self.part, self.moment = cluster, part, moment
        self.mark = f"{os.getpid()}-{part}-{moment}-{number}"
        self.cli = None
        self.job = None
        self.read = b""
        self.filler = None

    # ── the job ──
    def submit(self):
        words = ["--no-stdin", "--retries", "1", "--retry-on", "125"] if self.part in RETRIED else []
        if self.moment == "queued":
            self.filler = self.cluster.submit("exec sleep 1000", "--cpus", str(self.cluster.cpus))
            self.cluster.await_state(self.filler, "RUNNING")
            words += ["--cpus", str(self.cluster.cpus)]
        before = {job["job"] for job in self.cluster.jobs()}
        self.cli = self.cluster.start("--no-stdin", *words, "--", "sh", "-c", script(self.mark))
        self.job = wait_until(lambda: next((job["job"] for job in self.cluster.jobs() if job["job"] not in before), None),
                              "a job")
        if self.moment == "running":
            self.read = self.cli.stdout.readline() + self.cli.stdout.readline()
        if self.moment == "ending":
            while b"end\n" not in self.read:
                line = self.cli.stdout.readline()
                if not line:
                    break
                self.read += line
        return self

    def node(self):
        attempts = self.cluster.show(self.job)["attempts"]
        return attempts[-1]["node"] if attempts else "node1"

    # ── the kill ──
    def victims(self):
        cluster, node = self.cluster, self.node()
        if self.part == "cli":
            return [self.cli.pid]
        if self.part in ("controller", "nfs"):
            return [cluster.pid(self.part)]
        if self.part in ("agent", "fs"):
            return [cluster.pid(f"{node}.{self.part}")]
        if self.part == "node":
            return processes_of_node(cluster, node)
        shims = shims_of(cluster, node)
        if self.part == "shim":
            return shims
        return [pid for shim in shims for pid in children_of(shim)]

    def kill(self):
        """False if there was nothing to kill: it had not begun, or was over."""
        killed = self.kill_once()
        while self.part == "node" and self.kill_once():  # a keeper starts a dead devrun-fs anew
            continue
        return killed

    def kill_once(self):
        killed = []
        for pid in filter(None, self.victims()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
        for pid in killed:
            wait_until(lambda pid=pid: not lives(pid), f"the end of process {pid}")
        return bool(killed)

    # ── after it ──
    def settle(self):
        cluster = self.cluster
        if self.part == "node":
            node = self.node()
            # What no lease ends is ended by an operator's word; a node without jobs needs none.
            wait_until(lambda: cluster.devrun("nodes", "lost", node).status == 0, "the node counts as lost", 30)
        cluster.mend()
        if self.filler:
            cluster.devrun("cancel", str(self.filler))
        return cluster.await_state(self.job, *FINAL, limit_s=40)

    def check(self, record, killed):
        attempts = record["attempts"]
        outputs = [self.cluster.devrun("logs", f"{self.job}#{a['attempt']}").out for a in attempts]
        for attempt, output in zip(attempts, outputs):
            if output.count(b"begin ") > 1:
                raise Broken(f"attempt {attempt['attempt']} ran more than once: {output!r}")
            if not output.startswith(f"begin {attempt['attempt']} {self.mark}\n".encode()) and output:
                raise Broken(f"another attempt's output: {output!r}")
        times = sorted((a["timeline"].get("started_us", 0), a["timeline"].get("ended_us", 0)) for a in attempts)
        for (_, ended), (began, _) in zip(times, times[1:]):
            if began and ended and began < ended:
                raise Broken(f"two attempts ran at once: {attempts}")
        if not outputs[0].startswith(self.read[:len(outputs[0])]) or (killed and len(outputs) == 1 and
                                                                       not outputs[0].startswith(self.read)):
            raise Broken(f"acknowledged output is lost: {self.read!r} is not in {outputs[0]!r}")
        self.check_end(record, outputs[-1], killed)
        self.check_nothing_left()

    def check_end(self, record, last, killed):
        whole = b"".join(b"line %d\n" % i for i in range(LINES))
        attempts = record["attempts"]
        survives = self.part not in RETRIED
        # A set-up that its agent did not finish begins anew: nothing of it has run.
        counted = [attempt for attempt in attempts
                   if not (self.moment == "starting" and attempt.get("ending", {}).get("cause") == "NOT_STARTED"
                           and "agent ended while it set the job up" in attempt["ending"]["reason"])]
        if (survives or not killed) and len(counted) != 1:
            raise Broken(f"{len(attempts)} attempts: {attempts}")
        if len(attempts) > 1 and attempts[0]["ending"]["cause"] not in ("LOST", "NOT_STARTED"):
            raise Broken(f"tried again after {attempts[0]['ending']}")
        if self.part == "crun" and len(attempts) == 1 and record["ending"]["status"] == 137:
            return  # the program itself was killed: its own end
        if record["ending"]["status"] != 3 or whole + b"end\n" not in last:
            raise Broken(f"ended as {record['ending']}, with {last!r}")

    def check_nothing_left(self):
        left = [words for _, words in processes() if any(self.mark in word for word in words)
                and os.path.basename(words[0]) != "devrun"]
        if left:
            raise Broken(f"left behind: {left}")

    def end(self):
        if self.cli and self.cli.poll() is None:
            with contextlib.suppress(Exception):
                self.cli.wait(timeout=20)
        if self.cli and self.cli.poll() is None:
            self.cli.kill()
        if self.cli:
            self.cli.communicate()


def lives(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def children_of(pid):
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    return []


def run_case(cluster, part, moment, number):
    case = Case(cluster, part, moment, number)
    try:
        case.submit()
        killed = case.kill()
        case.check(case.settle(), killed)
        return killed
    finally:
        case.end()


def run_matrix(cluster, parts, moments, repeat):
    cluster.cpus = max(1, (os.cpu_count() or 1) // cluster.nodes)
    counts, broken, began = {}, [], time.monotonic()
    for part in parts:
        for moment in moments:
            held = reached = 0
            for number in range(repeat):
                try:
                    reached += run_case(cluster, part, moment, number)
                    held += 1
                except (AssertionError, OSError) as wrong:
                    broken.append(f"{part} × {moment}: {wrong}")
                    cluster.mend()
                    cluster.cancel_all()
            counts[part, moment] = (held, repeat, reached)
    print_matrix(counts, parts, moments, time.monotonic() - began)
    assert not broken, "\n".join(broken)


def print_matrix(counts, parts, moments, seconds):
    print(f"      kill -9 of … while the job is …; held/tried (of these, struck); {seconds:.0f} s")
    print("      " + f"{'':12}" + "".join(f"{moment:>16}" for moment in moments))
    for part in parts:
        cells = [counts[part, moment] for moment in moments]
        print("      " + f"{part:12}" + "".join(f"{f'{held}/{tried} ({reached})':>16}" for held, tried, reached in cells))


@own_cluster(nodes=1)
def test_the_kill_matrix_quick(cluster):
    run_matrix(cluster, PARTS, MOMENTS, 1)


@own_cluster(nodes=1)
def test_the_kill_matrix_long(cluster):
    run_matrix(cluster, PARTS, MOMENTS, int(os.environ.get("DEVRUN_KILLS", "5")))


test_the_kill_matrix_quick.limit_s = 300
test_the_kill_matrix_long.long = True
test_the_kill_matrix_long.limit_s = 1000
