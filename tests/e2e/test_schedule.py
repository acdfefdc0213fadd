"""What operators and users say to the scheduler: drained nodes, labels, dependencies, limits, shares, dry runs."""
import json
import os
import signal

from harness import own_cluster, wait_until


def log_of(cluster):
    with open(os.path.join(cluster.folder, "run", "controller.log")) as file:
        return file.read()


def said_of(cluster, job):
    return cluster.devrun("explain", str(job)).out.decode()


@own_cluster(nodes=2)
def test_a_drained_node_gets_nothing_new_and_says_why(cluster):
    runs = cluster.submit("sleep 1000")
    cluster.await_state(runs, "RUNNING")
    for node in ("node1", "node2"):
        done = cluster.devrun("nodes", "drain", node, "new", "disk")
        assert done.status == 0 and "drained" in done.err, done
    waits = cluster.submit("true")
    assert "drained: new disk" in said_of(cluster, waits), said_of(cluster, waits)
    assert cluster.show(runs)["state"] == "RUNNING"
    assert b"is drained: new disk" in cluster.devrun("nodes").out
    # A restarted controller knows it, too.
    cluster.kill("controller")
    cluster.mend()
    wait_until(lambda: "drained: new disk" in said_of(cluster, waits), "it is still drained")
    for node in ("node1", "node2"):
        done = cluster.devrun("nodes", "undrain", node)
        assert done.status == 0, done
    cluster.await_end(waits)
    cluster.devrun("cancel", str(runs))
    for words, expected in ((("drain", "node1"), "why"), (("drain", "nod1", "x"), "did you mean 'node1'"),
                            (("undrain",), "one node's name")):
        done = cluster.devrun("nodes", *words)
        assert done.status != 0 and expected in done.err, done


def test_jobs_wait_for_any_end_or_for_a_failure(cluster):
    first = cluster.submit("exec >/dev/null; while [ ! -e /tmp/go ]; do sleep 0.05; done; exit 3")
    any_end = cluster.submit("true", "--after", str(first))
    on_failure = cluster.submit("true", "--after-fail", str(first))
    never = cluster.submit("true", "--after-ok", str(first))
    after_never = cluster.submit("true", "--after-fail", str(never))
    assert f"job {first} has to end first" in said_of(cluster, any_end)
    assert f"job {first} has to fail first" in said_of(cluster, on_failure)
    cluster.await_state(first, "RUNNING")
    assert cluster.devrun("exec", str(first), "touch", "/tmp/go").status == 0
    for job in (any_end, on_failure, after_never):
        cluster.await_end(job)
        assert cluster.show(job)["state"] == "SUCCEEDED", cluster.show(job)
    cluster.await_end(never)
    shown = cluster.show(never)
    assert shown["state"] == "CANCELLED" and f"job {first}" in shown["ending"]["reason"], shown
    done = cluster.devrun("-d", "--after", "99999", "--", "true")
    assert done.status == 125 and "there is no job 99999" in done.err, done


def test_labels_and_what_nobody_has(cluster):
    job = cluster.submit("true", "--label", "sweep=lr", "--node-label", "zone=nowhere")
    assert "there is no node of label zone=nowhere" in said_of(cluster, job), said_of(cluster, job)
    assert cluster.show(job)["labels"] == {"sweep": "lr"}
    cluster.devrun("cancel", str(job))
    job = cluster.submit("true", "--resource", "fpga:2")
    assert "needs 2 fpga on one node; the largest has 0 fpga" in said_of(cluster, job), said_of(cluster, job)
    cluster.devrun("cancel", str(job))
    for words in (("--label", "a b=c"), ("--resource", "fpga:x"), ("--gpu-memory", "1G")):
        done = cluster.devrun(*words, "--", "true")
        assert done.status == 2, done


@own_cluster(nodes=1)
def test_limits_of_the_policy_file_hold_and_change_without_a_restart(cluster):
    policy = os.path.join(cluster.folder, "policy.yaml")
    pid = cluster.pid("controller")

    def set_policy(text):
        with open(policy, "w") as file:
            file.write(text)
        os.kill(pid, signal.SIGHUP)

    set_policy("limits: {user: {running: 1}}\n")
    wait_until(lambda: "was read again" in log_of(cluster), "the controller has read it")
    first = cluster.submit("sleep 1000", "--cpus", "0.1")
    second = cluster.submit("sleep 1000", "--cpus", "0.1")
    assert "1 tasks run, as many as are allowed at once" in said_of(cluster, second), said_of(cluster, second)
    set_policy("limits: {user: {runing: 2}}\n")
    wait_until(lambda: "did you mean 'running'" in log_of(cluster), "the mistake is told")
    assert cluster.show(second)["state"] == "QUEUED"
    set_policy("limits: {user: {running: 2, waiting: 1}}\n")
    cluster.await_state(second, "RUNNING")
    third = cluster.submit("sleep 1000", "--cpus", "0.1")
    file = os.path.join(cluster.folder, "over.yaml")
    with open(file, "w") as out:
        out.write("run: 'true'\n")
    done = cluster.devrun("launch", "--dry-run", "--volume", "main", file)
    assert done.status == 0 and "it would be refused: 1 jobs of" in done.err, done
    cluster.devrun("cancel", str(third))
    cluster.devrun("cancel", str(first), str(second))


def test_what_callers_ask_for_in_vain_sets_no_node_aside(cluster):
    for _ in range(5):
        done = cluster.devrun("-C", "/no/such/folder", "--", "true")
        assert done.status == 125 and "/no/such/folder" in done.err, done
    assert cluster.devrun("--", "true").status == 0
    assert "set aside" not in cluster.devrun("nodes").out.decode()


def test_a_dry_run_says_what_would_become_of_it(cluster):
    file = os.path.join(cluster.folder, "dry.yaml")
    with open(file, "w") as out:
        out.write("resources: {cpus: 4000}\nrun: 'true'\n")
    before = len(cluster.jobs())
    done = cluster.devrun("launch", "--dry-run", file)
    assert done.status == 0 and "it would never start here: needs 4000 cores" in done.err, done
    with open(file, "w") as out:
        out.write("resources: {cpus: 0.1}\nrun: 'true'\n")
    done = cluster.devrun("launch", "--dry-run", "--volume", "main", file)
    assert done.status == 0 and "it would start at once" in done.err, done
    assert len(cluster.jobs()) == before
    assert json.loads(cluster.devrun("nodes", "--json").out)["nodes"]
