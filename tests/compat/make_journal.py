"""Makes the test data of tests/unit/controller/journal/compat_test.cc with the programs of a build:

    make_journal.py --build BUILD SCHEMA

writes journal_SCHEMA.db, the journal of a cluster in which jobs ended in every way there is, and journal_SCHEMA.txt, what
`devrun show` told of each of them. Run once for each schema, by the programs that write it, before they change; the
files are then kept for good, since journals of that version are out there.
"""
import argparse
import os
import shutil
import sqlite3
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))

import harness  # noqa: E402


def line_of(job):
    """One job in one line; compat_test.cc writes the same of what it has replayed."""
    ending = job["ending"]
    attempts = sorted((a["task"] if a["task"] is not None else -1, a["attempt"], a["rank"], a["node"],
                       a["ending"]["status"], a["output_bytes"]) for a in job["attempts"])
    told = " ".join("%d#%d.%d:%s=%d,%d" % attempt for attempt in attempts)
    return f"{job['job']} {job['user']} {job['name']} {job['state']} {ending['status']} {told}".rstrip()


def run_jobs(cluster):
    """Jobs that end in every way; their ids."""
    jobs = [cluster.submit("echo hello; echo there >&2", "--name", "good"),
            cluster.submit("exit 3", "--name", "bad"),
            cluster.submit("kill -9 $$", "--name", "killed"),
            cluster.submit("echo it > /root/result", "--name", "writes"),
            cluster.submit("[ $DEVRUN_ATTEMPT = 2 ] || exit 7", "--retries", "2", "--name", "second-try"),
            cluster.submit("echo $DEVRUN_RANK; [ $DEVRUN_RANK != 1 ] || exit 5", "--nodes", "2", "--name", "gang"),
            cluster.submit("[ $DEVRUN_TASK != 2 ] || exit 4; echo $DEVRUN_TASK", "--array", "0-4%2",
                           "--name", "array"),
            cluster.submit("exec sleep 1000", "--time", "1s", "--name", "too-long")]
    for job in jobs:
        cluster.await_end(job)
    cancelled = cluster.submit("exec sleep 1000", "--name", "cancelled")
    cluster.await_state(cancelled, "RUNNING")
    waits = cluster.submit("true", "--after-ok", str(cancelled), "--name", "never")
    follows = cluster.submit("cat /root/result", "--after-ok", str(jobs[3]), "--name", "follows")
    cluster.devrun("cancel", str(cancelled))
    lost = cluster.submit("exec sleep 1000", "--name", "lost")
    node = cluster.await_state(lost, "RUNNING")["attempts"][0]["node"]
    cluster.kill(f"{node}.agent")
    harness.wait_until(lambda: cluster.devrun("nodes", "lost", node).status == 0, "the node is lost")
    every = [*jobs, cancelled, waits, follows, lost]
    for job in every:
        cluster.await_end(job)
    return every


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("schema", type=int)
    options = parser.parse_args()
    # Sealed, but of no interest: as little of this machine's environment as will do.
    for name in list(os.environ):
        if name not in ("PATH", "LANG"):
            del os.environ[name]
    cluster = harness.Cluster(options.build, nodes=3)
    target = os.path.join(HERE, f"journal_{options.schema}")
    try:
        cluster.begin()
        jobs = run_jobs(cluster)
        told = [line_of(cluster.show(job)) for job in sorted(jobs)]
        done = cluster.devrun("down", "--store", cluster.folder)
        assert done.status == 0, done
        shutil.copy(os.path.join(cluster.folder, "controller", "journal.db"), target + ".db")
        wal = os.path.join(cluster.folder, "controller", "journal.db-wal")
        if os.path.exists(wal):
            shutil.copy(wal, target + ".db-wal")
    finally:
        cluster.end()
    with sqlite3.connect(target + ".db") as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.execute("PRAGMA journal_mode=DELETE")
        db.execute("VACUUM")
    with open(target + ".txt", "w", encoding="utf-8") as file:
        file.write("\n".join(told) + "\n")


if __name__ == "__main__":
    main()
