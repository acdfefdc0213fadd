"""What a job may use at most, and what it is told then."""
import os
import resource

from harness import Skip, own_cluster, pid_in, wait_until, with_flags


def test_a_session_that_uses_more_than_the_memory_limit_is_told_so(cluster):
    job = cluster.submit("echo begin; exec sleep 1000", "--memory", "64M")
    cluster.await_state(job, "RUNNING")
    done = cluster.devrun("exec", str(job), "sh", "-c", "exec tail /dev/zero")
    assert done.status == 137 and "used more than its memory limit of 64 MB" in done.err, done
    done = cluster.devrun("exec", str(job), "sh", "-c", "kill -9 $$")
    assert done.status == 137 and "memory" not in done.err, done
    assert cluster.show(job)["state"] == "RUNNING"
    shm = cluster.devrun("exec", str(job), "df", "-k", "/dev/shm")
    assert b" 65536 " in shm.out, shm
    cluster.devrun("cancel", str(job))
    cluster.await_end(job)


def test_a_job_has_limits_of_processes_and_open_files(cluster):
    files = min(65536, resource.getrlimit(resource.RLIMIT_NOFILE)[1])  # ours is the agent's
    job = cluster.submit("ulimit -Sn; exec sleep 1000")
    node = cluster.await_state(job, "RUNNING")["attempts"][-1]["node"]
    cgroup = pids_cgroup(wait_until(lambda: pid_in(f"{cluster.folder}/nodes/{node}/attempts/{job}_-.0#1/container.pid"),
                                    "the container"))
    if cgroup:
        with open(cgroup + "/pids.max", encoding="ascii") as file:
            assert file.read() == "32768\n", cgroup
    wait_until(lambda: cluster.devrun("logs", str(job)).out == b"%d\n" % files, "what ulimit says")
    cluster.devrun("cancel", str(job))
    cluster.await_end(job)
    if not cgroup:
        raise Skip("this host has no controller that counts processes")


def pids_cgroup(pid):
    with open(f"/proc/{pid}/cgroup", encoding="utf-8") as file:
        for line in file:
            _, names, path = line.rstrip("\n").split(":", 2)
            top = "/sys/fs/cgroup/pids" if "pids" in names.split(",") else "/sys/fs/cgroup"
            if ("pids" in names.split(",") or not names) and os.path.exists(top + path + "/pids.max"):
                return top + path
    return None


@own_cluster(nodes=1)
def test_a_job_that_writes_more_than_it_may_has_a_full_disk_of_its_own(cluster):
    with_flags(cluster, agent=["--scratch", "64M"])
    done = cluster.sh("dd if=/dev/zero of=/root/big bs=1M count=200; echo $?; rm /root/big; echo more > /root/file && echo ok")
    assert done.out == b"1\nok\n" and "No space left on device" in done.err, done
    done = cluster.sh("dd if=/dev/zero of=/tmp/big bs=1M count=200; echo $?")
    assert done.out == b"1\n" and "No space left on device" in done.err, done
    assert cluster.sh("echo fresh").out == b"fresh\n"
