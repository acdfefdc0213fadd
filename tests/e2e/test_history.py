"""Jobs that have left the controller's memory are as they were, also after the controller was killed."""
import contextlib
import json
import os
import re
import signal
import sqlite3

from harness import own_cluster, wait_until, with_flags


def in_history(cluster):
    """The jobs that the history has."""
    path = os.path.join(cluster.folder, "controller", "history.db")
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as history:
        return {row[0] for row in history.execute("SELECT id FROM job")}


def restart(cluster):
    """How many jobs the controller found in its journal."""
    cluster.kill("controller")
    cluster.mend()
    with open(os.path.join(cluster.folder, "run", "controller.log"), encoding="utf-8") as log:
        return int(re.findall(r"journal: \d+ events, (\d+) jobs", log.read())[-1])


def await_archived(cluster, *jobs):
    """Until the journal has none, these among them."""
    def has_none():
        if restart(cluster) == 0:
            return True
        # This controller has had the time to archive once one that it ran itself is there.
        last = cluster.submit("true")
        wait_until(lambda: last in in_history(cluster), f"{last} is in the history")
        return False

    wait_until(lambda: set(jobs) <= in_history(cluster), f"{jobs} are in the history")
    wait_until(has_none, "the journal has no job", 60)


def ids(done):
    assert done.status == 0, done
    return [job["job"] for job in json.loads(done.out)["jobs"]]


@own_cluster(nodes=2)
def test_ended_jobs_leave_memory_and_nobody_notices(cluster):
    with_flags(cluster, ["--keep-in-memory", "0s"])
    bad = cluster.submit("echo out; echo err >&2; exit 3", "--name", "train-bad")
    writes = cluster.submit("echo of the job > /root/result", "--name", "writes")
    array = cluster.submit("[ $DEVRUN_TASK != 2 ] || exit 4; echo $DEVRUN_TASK", "--array", "0-4", "--name", "train-array")
    before = {job: cluster.await_end(job) for job in (bad, writes, array)}
    await_archived(cluster, bad, writes, array)

    # What is told of them.
    assert {job: cluster.show(job) for job in before} == before
    done = cluster.devrun("logs", str(bad))
    assert done.out == b"out\n" and "err" in done.err, done
    assert cluster.devrun("logs", f"{array}_3").out == b"3\n"
    assert cluster.devrun("wait", str(bad)).status == 3
    assert cluster.devrun("attach", str(bad)).status == 3
    assert "succeeded" in cluster.devrun("explain", str(writes)).out.decode().lower()
    done = cluster.devrun("cancel", str(bad))
    assert done.status == 0, done

    # What is done with them.
    with open(cluster.live("root/result"), encoding="utf-8") as file:
        assert file.read() == "of the job\n"
    assert "root/result" in cluster.devrun("changes", str(writes)).out.decode()
    assert cluster.devrun("diff", str(bad), str(writes)).status == 0
    assert "A /root/result" in cluster.devrun("diff", str(writes)).out.decode()
    done = cluster.devrun("undo", str(writes))
    assert done.status == 0 and not os.path.exists(cluster.live("root/result")), done
    done = cluster.devrun("apply", str(writes))
    assert done.status == 0 and os.path.exists(cluster.live("root/result")), done
    assert cluster.devrun("rerun", str(bad)).status == 3
    done = cluster.sh("cat /root/result", "--after-ok", str(writes), "--no-stdin")
    assert done.out == b"of the job\n", done
    done = cluster.sh("true", "--after-ok", str(bad), "--no-stdin")
    assert done.status == 125 and f"job {bad}" in done.err and "ended FAILED" in done.err, done
    assert any(bad in s["jobs"] for s in json.loads(cluster.devrun("snapshot", "ls", "--json").out)["snapshots"])


@own_cluster(nodes=1)
def test_ps_finds_what_has_ended(cluster):
    with_flags(cluster, ["--keep-in-memory", "0s"])
    first = [cluster.submit(f"exit {n % 3}", "--name", f"train-{n}") for n in range(6)]
    for job in first:
        cluster.await_end(job)
    array = cluster.submit("true", "--array", "0-2", "--name", "sweep")
    cluster.await_end(array)
    wait_until(lambda: {*first, array} <= in_history(cluster), "all are in the history")
    lives = cluster.submit("exec sleep 1000", "--name", "train-lives")
    cluster.await_state(lives, "RUNNING")

    def ps(*words):
        return ids(cluster.devrun("ps", "--json", *words))
    assert ps() == [*first, array, lives]
    assert ps("--exit", "!0") == [job for n, job in enumerate(first) if n % 3]
    assert ps("--exit", "2") == [first[2], first[5]]
    assert ps("--state", "failed,running") == [*[job for n, job in enumerate(first) if n % 3], lives]
    assert ps("--name", "train-[0-3]") == first[:4]
    assert ps("--name", "train-*", "--state", "SUCCEEDED", "--user", "root") == [first[0], first[3]]
    assert ps("sweep") == [array] and ps("node1", "!train-5", "state:fail", "volume:box") == [first[1], first[2], first[4]]
    assert ps("--since", "1h") == [*first, array, lives] and ps("-a", "--until", "1h") == []
    assert ps("--limit", "2") == [array, lives] and ps("--limit", "2", "--before", str(array)) == first[4:]
    shown = cluster.devrun("ps", "--limit", "3")
    assert f"--before {first[5]}" in shown.err and "3/3" in shown.out.decode(), shown
    for words, why in ((["--state", "FAILD"], "did you mean FAILED"), (["--exit", "256"], "from 0 to 255"),
                       (["--limit", "0"], "from 1 to 1000"), (["--before", "x"], "no job's number")):
        refused = cluster.devrun("ps", *words)
        assert refused.status == 2 and why in refused.err, (words, refused)


@own_cluster(nodes=1)
def test_numbers_of_jobs_that_have_left_are_not_given_again(cluster):
    with_flags(cluster, ["--keep-in-memory", "0s"])
    job = cluster.submit("true")
    cluster.await_end(job)
    await_archived(cluster, job)
    next_job = cluster.submit("true")
    assert next_job == job + 1
    cluster.await_end(next_job)
    cluster.kill("controller", signal.SIGTERM)
    cluster.mend()
    assert [j["job"] for j in cluster.jobs()] == [job, next_job]
