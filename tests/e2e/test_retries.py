"""Further attempts, leases and fences, time limits, what an attempt has used."""
import contextlib
import os
import signal

from harness import finish, own_cluster, wait_until, with_flags
from test_faults import processes_of_node, shims_of


def attempts(cluster, job):
    return cluster.show(job)["attempts"]


def test_a_job_that_fails_is_tried_again_and_all_its_output_is_kept(cluster):
    counter = f"/tmp/devrun-e2e-{os.getpid()}-retry"
    done = cluster.sh("echo attempt $DEVRUN_ATTEMPT; test $DEVRUN_ATTEMPT = 3 && exit 0; exit 75", "--no-stdin", "--retries", "4")
    assert done.status == 0 and done.out == b"attempt 1\nattempt 2\nattempt 3\n", (done, counter)
    assert "attempt 1 ended with 75; attempt 2 of 5" in done.err and "attempt 3 begins on node" in done.err, done.err
    job = cluster.jobs()[-1]["job"]
    record = cluster.show(job)
    assert record["state"] == "SUCCEEDED" and [a["attempt"] for a in record["attempts"]] == [1, 2, 3], record
    assert [a["ending"]["status"] for a in record["attempts"]] == [75, 75, 0], record
    for n in (1, 2, 3):
        assert cluster.devrun("logs", f"{job}#{n}").out == f"attempt {n}\n".encode()
    assert cluster.devrun("logs", str(job)).out == b"attempt 3\n"
    missing = cluster.devrun("logs", f"{job}#4")
    assert missing.status == 125 and "no attempt 4" in missing.err, missing


def test_retries_are_used_up_and_only_for_the_statuses_that_were_named(cluster):
    done = cluster.sh("exit 7", "--no-stdin", "--retries", "1")
    assert done.status == 7, done
    assert len(attempts(cluster, cluster.jobs()[-1]["job"])) == 2
    done = cluster.sh("exit 7", "--no-stdin", "--retries", "5", "--retry-on", "75,76")
    assert done.status == 7, done
    assert len(attempts(cluster, cluster.jobs()[-1]["job"])) == 1


def test_a_follower_is_led_through_all_attempts(cluster):
    job = cluster.submit("echo $DEVRUN_ATTEMPT; exit 1", "--retries", "2")
    done = cluster.devrun("logs", "-f", f"{job}#1")
    assert done.out == b"1\n2\n3\n", done


def test_a_cancelled_job_is_not_tried_again(cluster):
    job = cluster.submit("echo begin; exec sleep 1000", "--retries", "3")
    cluster.await_state(job, "RUNNING")
    assert cluster.devrun("cancel", str(job)).status == 0
    assert cluster.await_end(job)["state"] == "CANCELLED"
    assert len(attempts(cluster, job)) == 1


def test_bad_requests_for_retries_are_refused(cluster):
    for words, why in ((["--retry-on", "7"], "--retry-on needs --retries"), (["--retries", "101"], "from 0 to 100"),
                       (["--retries", "1", "--retry-on", "300"], "exit statuses from 1 to 255"),
                       (["--signal", "TERM@10"], "--signal needs --time"),
                       (["--time", "5s", "--signal", "TERM@10"], "before the job begins"),
                       (["--time", "50s", "--signal", "FOO@10"], "is no signal")):
        done = cluster.devrun(*words, "--", "true")
        assert done.status == 2 and why in done.err, (words, done)


def test_a_time_limit_sends_its_signal_then_ends_the_job_and_leaves_no_process(cluster):
    mark = str(10**7 + os.getpid())
    done = cluster.sh(f"trap 'echo warned' USR1; trap 'echo ends' TERM; (trap '' TERM; exec sleep {mark}) & "
                      "echo begin; while :; do wait; sleep 0.1; done", "--time", "3s", "--signal", "USR1@2")
    assert done.status == 124 and done.out.startswith(b"begin\nwarned\nends\n"), done
    left = [pid for pid in os.listdir("/proc") if pid.isdigit() and mark.encode() in read(f"/proc/{pid}/cmdline")]
    assert not left, left


def read(path):
    with contextlib.suppress(OSError):
        with open(path, "rb") as file:
            return file.read()
    return b""


@own_cluster(nodes=1)
def test_a_time_limit_holds_while_the_controller_is_away(cluster):
    job = cluster.submit("echo begin; exec sleep 1000", "--time", "2s")
    cluster.await_state(job, "RUNNING")
    cluster.kill("controller")
    wait_until(lambda: not shims_of(cluster, "node1"), "the end of the job")
    cluster.mend()
    record = cluster.await_end(job)
    assert record["state"] == "TIMED_OUT" and record["ending"]["status"] == 124, record


def test_what_an_attempt_used_is_told(cluster):
    done = cluster.sh("i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done; "
                      "dd if=/dev/zero of=/data/big bs=1M count=20 2>/dev/null; sync", "--memory", "200M")
    assert done.status == 0, done
    job = cluster.jobs()[-1]["job"]
    used = attempts(cluster, job)[0]["usage"]
    assert used["cpu_us"] > 50_000 and used["memory_peak_bytes"] > 1 << 20, used
    assert used["written_bytes"] >= 20 << 20, used
    assert "of CPU time" in cluster.devrun("show", str(job)).out.decode()


@own_cluster(nodes=2)
def test_a_node_that_is_away_for_longer_than_the_lease_and_comes_back_runs_nothing_twice(cluster):
    with_flags(cluster, ["--lease", "3s", "--lease-margin", "1s", "--retry-pause", "0s"], ["--report-every", "300ms"])
    job = cluster.submit("echo begin $DEVRUN_ATTEMPT; exec sleep 1000", "--retries", "1")
    node = cluster.await_state(job, "RUNNING")["attempts"][-1]["node"]
    # The container's first process is the shim's own program until it becomes the command.
    wait_until(lambda: len(shims_of(cluster, node)) == 1, "one shim")
    # Away, as a broken network would have it: the agent says nothing and hears nothing, its machine runs on.
    agent = cluster.pid(node + ".agent")
    os.kill(agent, signal.SIGSTOP)
    try:
        second = wait_until(lambda: [a for a in attempts(cluster, job) if a["attempt"] == 2], "another attempt", 40)
        assert not shims_of(cluster, node), "the first attempt has ended itself before the second began"
        assert second[0]["node"] != node, second
    finally:
        os.kill(agent, signal.SIGCONT)
    cluster.await_state(job, "RUNNING")
    wait_until(lambda: f"{node} " in cluster.devrun("nodes").out.decode() and
               "silent" not in cluster.devrun("nodes").out.decode(), "the node is back")
    assert cluster.show(job)["state"] == "RUNNING"
    record = cluster.show(job)
    assert record["attempts"][0]["ending"]["cause"] == "LOST" and "lease" in record["attempts"][0]["ending"]["reason"]
    assert cluster.devrun("cancel", str(job)).status == 0
    assert cluster.await_end(job)["state"] == "CANCELLED"
    assert cluster.devrun("logs", str(job)).out == b"begin 2\n"


@own_cluster(nodes=2)
def test_a_leased_attempt_goes_on_while_its_agent_is_away_for_less(cluster):
    with_flags(cluster, ["--lease", "20s"], ["--report-every", "300ms"])
    child = cluster.start("--no-stdin", "--retries", "1", "--", "sh", "-c", "echo begin; sleep 4; echo end $DEVRUN_ATTEMPT")
    assert child.stdout.readline() == b"begin\n"
    node = cluster.show(cluster.jobs()[-1]["job"])["attempts"][-1]["node"]
    cluster.kill(node + ".agent")
    cluster.mend()
    done = finish(child)
    assert done.status == 0 and done.out == b"end 1\n", done


@own_cluster(nodes=2)
def test_a_node_that_lost_its_power_is_told_by_hand_and_the_job_is_tried_again(cluster):
    job = cluster.submit("echo begin; sleep 1; exec sleep 1000", "--retries", "1")
    node = cluster.await_state(job, "RUNNING")["attempts"][-1]["node"]
    def killed():  # again and again: a keeper starts a dead devrun-fs anew
        left = processes_of_node(cluster, node)
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not left
    wait_until(killed, "the end of the node")
    wait_until(lambda: cluster.devrun("nodes", "lost", node).status == 0, "the node counts as lost", 30)
    second = wait_until(lambda: [a for a in attempts(cluster, job) if a["attempt"] == 2], "another attempt")
    assert second[0]["node"] != node, second
    cluster.devrun("cancel", str(job))
    cluster.await_end(job)
    cluster.mend()


@own_cluster(nodes=1)
def test_a_submission_can_wait_for_a_controller_that_is_away(cluster):
    cluster.kill("controller")
    refused = cluster.devrun("true")
    assert refused.status == 125 and "--wait-for-controller" in refused.err, refused
    child = cluster.start("--wait-for-controller", "--", "echo", "here")
    assert b"waiting for it" in child.stderr.readline()
    cluster.mend()
    done = finish(child)
    assert done.status == 0 and done.out == b"here\n", done
