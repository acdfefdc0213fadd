"""Quotas: what a user may have at once, refused in words that say what is used; and output that goes in its time."""
import json
import os
import signal

from harness import own_cluster, wait_until, with_flags
from test_users import User


def set_policy(cluster, text):
    with open(os.path.join(cluster.folder, "policy.yaml"), "w", encoding="ascii") as file:
        file.write(text)
    log = os.path.join(cluster.folder, "run", "controller.log")
    size = os.path.getsize(log)
    os.kill(cluster.pid("controller"), signal.SIGHUP)

    def was_read():
        with open(log, encoding="utf-8") as file:
            file.seek(size)
            said = file.read()
        assert "stays as it was" not in said, said
        return "was read again" in said
    wait_until(was_read, "the policy is read")


def quota_of(cluster, name):
    users = json.loads(cluster.devrun("user", "ls", "--json").out)["users"]
    return next(user["quota"] for user in users if user["name"] == name)


@own_cluster(nodes=1)
def test_a_user_takes_no_more_than_is_allowed(cluster):
    with_flags(cluster, ["--collect-every", "1s"])
    ada = User(cluster, "ada")
    ada.make_volume("adas", {"work/data": "x" * 1000})
    done = ada.devrun("--volume", "adas", "-C", "/work", "true")
    assert done.status == 0, done
    first = ada.submit("adas", "true", "--cpus", "0.2")
    ada.await_state(first, "SUCCEEDED")
    used = quota_of(cluster, "ada")["store_bytes"]["has"]
    assert used > 1_000_000, "busybox and bash"

    # The store: said, and deleting helps.
    most = used + (1 << 20)
    set_policy(cluster, f"limits:\n  users:\n    ada: {{store: {most}, cpus: 1, output: 2M}}\n")
    with open(cluster.live("work/large", "adas"), "wb") as file:
        file.write(os.urandom(2 << 20))
    done = ada.devrun("--volume", "adas", "-C", "/work", "true")
    assert done.status == 125 and "the volumes of 'ada' have" in done.err and "the quota is" in done.err, done
    assert "devrun volume du" in done.err, done
    # Nor by ways that take no snapshot.
    for words in (("rerun", str(first)), ("--volume", "adas@1", "-C", "/work", "true")):
        done = ada.devrun(*words)
        assert done.status == 125 and "the volumes of 'ada' have" in done.err, (words, done)
    done = ada.devrun("volume", "fork", "adas", "more")
    assert done.status == 125 and "would have" in done.err, done
    assert cluster.devrun("--volume", "box", "true").status == 0, "of ada alone"
    os.remove(cluster.live("work/large", "adas"))
    done = ada.devrun("--volume", "adas", "-C", "/work", "true")
    assert done.status == 0, done

    # Removed volumes are kept for a while: who has removed one can make another, once, and has no more of them than the quota.
    set_policy(cluster, f"limits:\n  users:\n    ada: {{store: {2 * used + (1 << 19)}, cpus: 1, output: 2M}}\n")
    for _ in range(2):
        assert ada.devrun("volume", "fork", "adas", "more").status == 0
        assert ada.devrun("volume", "rm", "--yes", "more").status == 0
    assert ada.devrun("volume", "fork", "adas", "more").status == 0
    done = ada.devrun("volume", "rm", "--yes", "more")
    assert done.status == 0, done
    done = ada.devrun("volume", "fork", "adas", "more")
    assert done.status == 125 and "twice that with removed ones" in done.err, done
    assert "devrun volume ls --removed" in done.err, done
    set_policy(cluster, f"limits:\n  users:\n    ada: {{store: {most}, cpus: 1, output: 2M}}\n")
    done = ada.devrun("volume", "restore", "more")
    assert done.status == 125 and "would have" in done.err, done

    # Cores at once: who wants more waits, and is told why.
    first = ada.submit("adas", "exec sleep 1000", "--cpus", "0.9")
    ada.await_state(first, "RUNNING")
    second = ada.submit("adas", "true", "--cpus", "0.2")
    record = ada.show(second)
    assert record["state"] == "QUEUED", record
    assert "0.9 of 1 cores that are allowed at once are held, and it needs 0.2" in json.dumps(record), record
    assert quota_of(cluster, "ada")["cpu_milli"] == {"has": 900, "max": 1000}
    text = ada.devrun("usage").out.decode()
    assert "0.9 of 1" in text and "ada" in text and "root" not in text, text
    assert ada.devrun("cancel", first).status == 0
    ada.await_state(second, "SUCCEEDED")

    # Output.
    loud = ada.submit("adas", "head -c 3000000 /dev/zero", "--cpus", "0.2")
    ada.await_state(loud, "SUCCEEDED")
    wait_until(lambda: quota_of(cluster, "ada")["output_bytes"]["has"] > 2_900_000, "it is counted")
    done = ada.devrun("--volume", "adas", "-C", "/work", "true")
    assert done.status == 125 and "the output of the jobs of 'ada' that is kept has 2.9 MB" in done.err, done
    listed = cluster.devrun("user", "ls").out.decode()
    assert "2.9 MB of 2.0 MB" in listed, listed
    set_policy(cluster, "limits:\n  user: {running: 5}\n")
    assert ada.devrun("--volume", "adas", "-C", "/work", "true").status == 0
    for wrong, why in (("limits: {user: {store: much}}", "'much' is no size"),
                       ("limits: {pools: {a: {store: 1G}}}", "there is no 'store'"),
                       ("limits: {user: {cpus: -1}}", "is no number of cores")):
        with open(os.path.join(cluster.folder, "policy.yaml"), "w", encoding="ascii") as file:
            file.write(wrong)
        os.kill(cluster.pid("controller"), signal.SIGHUP)
        wait_until(lambda why=why: why in cluster.logs(), why)


@own_cluster(nodes=1)
def test_output_goes_in_its_time(cluster):
    with_flags(cluster, ["--collect-every", "1s", "--keep-in-memory", "0s", "--keep-output-for", "4s"])
    lives = cluster.submit("echo lives; exec sleep 1000", "--cpus", "0.2")
    cluster.await_state(lives, "RUNNING")
    ended = cluster.submit("echo ended; echo x > /etc/changed", "--cpus", "0.2")
    cluster.await_end(ended)
    assert cluster.devrun("logs", str(ended)).out == b"ended\n"
    jobs = f"/proc/{cluster.pid('store.keeper')}/root{cluster.folder}/store/jobs"
    wait_until(lambda: not os.path.exists(f"{jobs}/{ended}/-.0.1/output"), "its output goes", 30)
    # A controller that is killed at any time goes on with it.
    cluster.kill("controller")
    cluster.mend()
    done = cluster.devrun("logs", str(ended))
    assert done.out == b"" and "older than output is kept" in done.err, done
    assert cluster.show(ended)["state"] == "SUCCEEDED"
    assert b"/etc/changed" in cluster.devrun("changes", str(ended)).out, "its change set stays"
    assert cluster.devrun("logs", str(lives)).out == b"lives\n"
