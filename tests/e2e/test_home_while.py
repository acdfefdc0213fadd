"""What a job writes comes home from its node: while it runs, through deaths of agent and controller, many files at once."""
import glob
import os
import signal
import time

from harness import own_cluster, wait_until

FOLDER = "/data/out"  # below the jobs' own folder, which is home


def submit(cluster, script):
    return cluster.submit(script, "-C", "/data")


def text(cluster, name):
    """What the volume has of a file, or None."""
    try:
        with open(cluster.live(f"{FOLDER}/{name}"), "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def sum_of(cluster, name):
    """As `sha256sum` prints it in a job."""
    import hashlib
    data = text(cluster, name)
    return data is not None and hashlib.sha256(data).hexdigest()


def await_exit(cluster, job):
    """The program has ended, as its shim says on its node."""
    pattern = f"{cluster.folder}/nodes/*/attempts/{job}_*/exit"
    wait_until(lambda: glob.glob(pattern), f"the end of job {job}'s program")


def test_files_come_while_the_job_runs(cluster):
    job = submit(cluster, f"mkdir {FOLDER}; echo whole > {FOLDER}/whole; exec 5>{FOLDER}/half; echo a >&5; "
                          f"ln -s whole {FOLDER}/link; while :; do echo line >> {FOLDER}/log; sleep 0.1; done")
    wait_until(lambda: text(cluster, "whole") == b"whole\n", "a complete file")
    wait_until(lambda: os.path.islink(cluster.live(f"{FOLDER}/link")), "a link")
    wait_until(lambda: text(cluster, "log"), "a log that grows")
    seen = len(text(cluster, "log"))
    wait_until(lambda: len(text(cluster, "log")) > seen, "more of it")
    cluster.devrun("cancel", str(job))
    cluster.await_end(job)
    assert text(cluster, "half") == b"a\n"
    assert set(text(cluster, "log").split(b"\n")) == {b"line", b""}


def test_a_checkpoint_comes_only_whole(cluster):
    job = submit(cluster, f"mkdir -p {FOLDER}; for i in 1 2 3 4 5 6; do "
                          f"for k in $(seq 20000); do echo $i; done > {FOLDER}/checkpoint; sleep 1.5; done")
    seen = set()

    def ended():
        data = text(cluster, "checkpoint")
        if data:
            lines = data.split()
            assert len(lines) == 20000 and len(set(lines)) == 1, f"a torn checkpoint: {set(lines)}"
            seen.add(lines[0])
        return cluster.show(job)["state"] == "SUCCEEDED"

    wait_until(ended, "the end of the job", 60)
    assert text(cluster, "checkpoint").split()[0] == b"6"
    assert len(seen) >= 2, f"versions came while it ran: {seen}"


def test_twenty_thousand_files(cluster):
    job = submit(cluster, f"mkdir -p {FOLDER}/many; cd {FOLDER}/many; "
                          "for i in $(seq 20000); do echo $i$i$i > $i; done")
    begun = time.monotonic()
    record = cluster.await_end(job, 120)
    assert record["state"] == "SUCCEEDED", record
    print(f"20,000 files were written and home after {time.monotonic() - begun:.1f} s")
    names = os.listdir(cluster.live(f"{FOLDER}/many"))
    assert len(names) == 20000
    assert all(text(cluster, f"many/{i}") == f"{i}{i}{i}\n".encode() for i in range(1, 20001, 37))


@own_cluster(nodes=1)
def test_an_agent_that_dies_amid_the_last_round(cluster):
    job = submit(cluster, f"mkdir {FOLDER}; head -c 100000000 /dev/urandom > {FOLDER}/large; "
                          f"sha256sum < {FOLDER}/large | cut -c1-64 > {FOLDER}/sum")
    await_exit(cluster, job)
    cluster.kill("node1.agent")
    cluster.mend()
    record = cluster.await_end(job, 60)
    assert record["state"] == "SUCCEEDED", record
    assert text(cluster, "sum").decode().strip() == sum_of(cluster, "large")


@own_cluster(nodes=1)
def test_a_controller_that_dies_amid_the_last_round(cluster):
    job = submit(cluster, f"mkdir {FOLDER}; head -c 100000000 /dev/urandom > {FOLDER}/large; "
                          f"sha256sum < {FOLDER}/large | cut -c1-64 > {FOLDER}/sum")
    await_exit(cluster, job)
    cluster.kill("controller")
    cluster.mend()
    record = cluster.await_end(job, 60)
    assert record["state"] == "SUCCEEDED", record
    assert text(cluster, "sum").decode().strip() == sum_of(cluster, "large")


@own_cluster(nodes=1)
def test_what_a_stray_wrote_is_not_dropped(cluster):
    """The controller stops while its node's job goes on to its end: told, once there is somebody to tell."""
    job = submit(cluster, f"mkdir {FOLDER}; sleep 2; echo late > {FOLDER}/late")
    cluster.await_state(job, "RUNNING")
    os.kill(cluster.pid("controller"), signal.SIGSTOP)
    await_exit(cluster, job)
    os.kill(cluster.pid("controller"), signal.SIGCONT)
    cluster.await_end(job)
    assert text(cluster, "late") == b"late\n"
