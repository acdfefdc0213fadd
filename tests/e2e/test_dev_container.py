"""Dev containers that people live in: what survives a lost terminal, limits, and containers on other nodes than the storage
host."""
import glob
import os
import signal

import lab
from harness import own_cluster, wait_until
from test_shell import sleepers
from test_ssh import Ssh, put_sshd
from test_terminal import is_run, pane


def shell(cluster, *words, **more):
    return cluster.devrun("shell", *words, **more)


def stop(cluster, volume=None):
    done = shell(cluster, "--stop", "--yes", volume or cluster.volume)
    assert done.status == 0, done


def living(cluster):
    """The dev container that lives, in full."""
    found = [job for job in cluster.jobs() if job["state"] == "RUNNING" and job["name"] == "shell"]
    assert len(found) == 1, found
    return cluster.show(found[0]["job"])


def test_tmux_and_its_editor_outlive_a_client_that_was_killed(cluster):
    name = lab.volume(cluster)
    with pane(cluster) as tmux:
        tmux.line(f"devrun shell {name}")
        tmux.await_text("~ #")
        tmux.line("export LANG=C.UTF-8; tmux -f /dev/null new-session 'vim -u NONE -N draft'")
        tmux.await_text('"draft" [New]')
        tmux.run("send-keys", "-l", "ihalf a thought")
        tmux.await_text("half a thought")
        client = [pid for pid in os.listdir("/proc") if pid.isdigit() and is_run(pid, "shell", name)]
        assert len(client) == 1, client
        os.kill(int(client[0]), signal.SIGKILL)
        tmux.await_shell()
        # The terminal is as the dead one left it: raw, so that Enter is no line's end.
        tmux.run("send-keys", "-l", "stty sane")
        tmux.keys("C-j")
        tmux.run("send-keys", "-R")
        tmux.line("clear; echo sa$((1+1))e")
        tmux.await_text("sa2e")
        # From anywhere, while the session that was lost is still being waited for, and after it has been hung up.
        done = shell(cluster, name, "--", "tmux", "ls")
        assert done.status == 0 and done.out.startswith(b"0: 1 windows"), done
        tmux.line(f"devrun shell {name} -- env LANG=C.UTF-8 tmux attach -d")
        tmux.await_text("half a thought")
        tmux.keys("Escape")
        tmux.run("send-keys", "-l", ":wq")
        tmux.keys("Enter")
        tmux.await_text("[exited]")
    with open(cluster.live("root/draft", name), encoding="ascii") as file:
        assert file.read() == "half a thought\n"
    stop(cluster, name)


def cgroup_value(job, *files):
    """What stands in the first of the files that is there in the container's cgroup, v2 or v1."""
    found = [path for file in files for path in glob.glob(f"/sys/fs/cgroup/**/{job}_-.0#1/{file}", recursive=True)]
    assert found, files
    with open(found[0], encoding="ascii") as file:
        return file.read().split()[0]


def test_limits_are_the_containers(cluster):
    done = shell(cluster, "--cpus", "0.5", "--memory", "64M", cluster.volume, "--", "echo", "limited")
    assert done.status == 0 and done.out == b"limited\n", done
    try:
        job = living(cluster)
        assert job["per_node"]["memory_bytes"] == 64 << 20, job["per_node"]
        assert cgroup_value(job["job"], "cpu.max", "cpu/cpu.cfs_quota_us", "cpu.cfs_quota_us") == "50000"
        # Nothing is reserved for it, so that others find as much room as before.
        done = shell(cluster, cluster.volume, "--", "sh", "-c", "head -c 200000000 /dev/zero | tail -c 190000000 >/dev/null")
        assert done.status == 137 and "memory limit of 64 MB" in done.err, done
        assert shell(cluster, cluster.volume, "--", "echo", "lives").out == b"lives\n"
        assert living(cluster)["job"] == job["job"]
        # Later shells join it, and hear if it is not what they ask for.
        done = shell(cluster, "--memory", "64M", cluster.volume, "--", "echo", "joined")
        assert done.status == 0 and done.out == b"joined\n", done
        done = shell(cluster, "--memory", "128M", cluster.volume, "--", "echo", "joined")
        assert done.status == 125 and done.out == b"" and "runs already, on storage" in done.err, done
        assert "devrun shell --stop box" in done.err, done
    finally:
        stop(cluster)


def test_the_policy_limits_who_asks_for_nothing(cluster):
    policy = os.path.join(cluster.folder, "policy.yaml")
    with open(policy, "w", encoding="ascii") as file:
        file.write("dev_containers: {cpus: 0.5, memory: 96M}\n")
    os.kill(cluster.pid("controller"), signal.SIGHUP)
    try:

        def limits():
            assert shell(cluster, "-d", cluster.volume).status == 0
            wait_until(lambda: [job for job in cluster.jobs() if job["state"] == "RUNNING"], "it runs")
            had = living(cluster)["per_node"]
            stop(cluster)
            return had["memory_bytes"]
        assert wait_until(lambda: limits() == 96 << 20, "the policy counts") is True
        assert shell(cluster, "--memory", "128M", cluster.volume, "--", "true").status == 0
        assert living(cluster)["per_node"]["memory_bytes"] == 128 << 20, "who asks gets that"
        stop(cluster)
    finally:
        os.remove(policy)
        os.kill(cluster.pid("controller"), signal.SIGHUP)


def test_a_container_on_a_node_has_the_live_volume(cluster):
    done = shell(cluster, "--on-node", cluster.volume, "--", "sh", "-c",
                 "echo $DEVRUN_NODE; hostname; echo from a node > /work/typed; devrun cat /work/typed; cat /etc/hostname")
    assert done.status == 0 and done.out.startswith(b"node"), done
    try:
        node = done.out.decode().split()[0]
        assert done.out.endswith(b"\nbox\nfrom a node\nbox\n"), done
        with open(cluster.live("work/typed"), encoding="utf-8") as file:
            assert file.read() == "from a node\n"
        # Others join it there, by whatever way, and edits of both sides are there at once.
        with open(cluster.live("work/edited"), "w", encoding="utf-8") as file:
            file.write("elsewhere\n")
        done = shell(cluster, cluster.volume, "--", "sh", "-c", "echo $DEVRUN_NODE; cat /work/edited")
        assert done.out.decode() == f"{node}\nelsewhere\n", done
        put_sshd(cluster.live("/"))
        assert Ssh(cluster)("box.devrun", "echo $DEVRUN_NODE").out.decode() == f"{node}\n"
        job = living(cluster)
        assert job["per_node"]["cpu_milli"] == 1000
        shown = cluster.devrun("nodes", "show", node).out.decode()
        assert "in use      1 cpu" in shown and "devrun.live=yes" in shown, shown
        assert shell(cluster, "--on-node", cluster.volume, "--", "true").status == 0
        done = shell(cluster, "--pool", "a100", cluster.volume, "--", "true")
        assert done.status == 125 and f"runs already, on {node}" in done.err, done
    finally:
        stop(cluster)
    # What was made there to mount over has gone again.
    assert not os.path.exists(cluster.live("etc/hosts")), os.listdir(cluster.live("etc"))
    assert cluster.show(job["job"])["state"] == "CANCELLED"


def test_a_place_that_cannot_be_is_said(cluster):
    child = cluster.start("shell", "--pool", "a100", cluster.volume, "--", "true")
    line = child.stderr.readline().decode()
    assert "no node of pool 'a100' shows live volumes" in line and "storage host" in line, line
    child.send_signal(signal.SIGTERM)
    child.communicate()
    wait_until(lambda: cluster.devrun("shell", "--stop", "--yes", cluster.volume).status == 0, "it is no more")
    done = cluster.devrun("shell", "--stop", "--cpus", "1", cluster.volume)
    assert done.status == 2 and "--stop takes no resources" in done.err, done
    done = cluster.devrun("shell", "--memory", "lots", cluster.volume)
    assert done.status == 2 and "'lots' is not a size" in done.err, done


@own_cluster(2)
def test_a_node_that_goes_away_takes_its_container_along(cluster):
    done = shell(cluster, "--on-node", cluster.volume, "--", "sh", "-c", "(sleep 7811 &) ; echo $DEVRUN_NODE")
    assert done.status == 0, done
    node = done.out.decode().strip()
    wait_until(lambda: sleepers(7811) == 1, "something that goes on in it")
    job = living(cluster)["job"]
    # An agent that is started again finds it as it was.
    cluster.kill(f"{node}.agent")
    cluster.mend()
    assert shell(cluster, cluster.volume, "--", "echo", "still").out == b"still\n"
    assert living(cluster)["job"] == job and sleepers(7811) == 1
    # One that stays away: who comes hears so, and nothing begins elsewhere while it may still write.
    cluster.kill(f"{node}.agent")
    cluster.await_state(job, "UNREACHABLE", limit_s=60)
    child = cluster.start("shell", cluster.volume, "--", "echo", "elsewhere")
    line = child.stderr.readline().decode()
    assert f"job {job} is out of reach" in line and node in line, line
    child.kill()
    child.communicate()
    # The operator's word ends that: the next shell starts another, and what comes back of the old one is ended.
    assert cluster.devrun("nodes", "lost", node).status == 0
    done = shell(cluster, cluster.volume, "--", "sh", "-c", "echo $DEVRUN_NODE")
    assert done.status == 0 and done.out == b"storage\n", done
    cluster.mend()
    wait_until(lambda: sleepers(7811) == 0, "the node has heard that it is over", 60)
    # What the old one made in the live tree to mount over is below the new one's mounts by now, and stays.
    old = os.path.join(cluster.folder, "nodes", node, "attempts", f"{job}_-.0#1")
    wait_until(lambda: not os.path.exists(old), "it is released", 60)
    assert os.path.exists(cluster.live("etc/hosts"))
    done = shell(cluster, cluster.volume, "--", "cat", "/etc/hosts")
    assert b"localhost" in done.out, done
