"""up, down and doctor: a cluster comes and goes whole."""
import glob
import os
import shutil
import subprocess

import harness
from harness import finish, mounts_of, own_cluster


def test_the_store_does_not_exist_on_the_host_nor_on_nodes(cluster):
    store = os.path.join(cluster.folder, "store")
    assert os.listdir(store) == [], "not on the host"
    for node in range(1, cluster.nodes + 1):
        pid = cluster.pid(f"node{node}.agent")
        assert os.listdir(f"/proc/{pid}/root{store}") == [], f"not on node{node}"
        types = {kind for _, kind, _ in mounts_of(pid)}
        assert "btrfs" not in types or "btrfs" in {kind for _, kind, _ in mounts_of("self")}, types


def test_up_again_changes_nothing(cluster):
    names = [name for name in os.listdir(os.path.join(cluster.folder, "run")) if name.endswith(".pid")]
    before = {name: cluster.pid(name[:-4]) for name in names}
    assert all(before.values()) and len(before) >= 3 + 3 * cluster.nodes, before
    done = cluster.up()
    assert done.status == 0, done
    assert {name: cluster.pid(name[:-4]) for name in names} == before


def test_doctor_is_content_here(cluster):
    done = cluster.devrun("doctor")
    assert done.status == 0 and b"crun" in done.out and b"MISSING" not in done.out, done


def test_doctor_names_what_is_missing_with_its_remedy(cluster):
    hidden = subprocess.run(
        ["unshare", "-m", "sh", "-c", "mount --bind /dev/null /usr/bin/crun && exec \"$0\" doctor",
         os.path.join(cluster.bin, "devrun")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    assert hidden.returncode == 125, hidden
    line = [line for line in hidden.stdout.decode().splitlines() if "crun" in line and "MISSING" in line]
    assert line and "apt-get install -y crun" in line[0], hidden


def test_a_cluster_that_is_up_does_not_shrink(cluster):
    done = cluster.devrun("up", "--store", cluster.folder, "--nodes", "1")
    assert done.status == 125 and "down" in done.err, done


def other_build(cluster):
    """The same programs, as another build has them: other files in another folder."""
    folder = os.path.join(cluster.home, "other", "bin")
    os.makedirs(folder)
    for name in ("devrun", "devrun-agent", "devrun-controller", "devrun-fs", "devrun-gpus", "devrun-keeper",
                 "devrun-shim"):
        shutil.copy(os.path.join(cluster.bin, name), folder)
    return folder


@own_cluster(nodes=2)
def test_up_of_another_build_ends_no_job(cluster):
    job = cluster.submit("while ! [ -e /tmp/go ]; do sleep 0.05; done; echo whole")
    node = cluster.await_state(job, "RUNNING")["attempts"][0]["node"]
    idle = "node1" if node == "node2" else "node2"
    before = {name: cluster.pid(name) for name in (f"{node}.fs", f"{node}.agent", f"{idle}.fs", "controller")}
    cluster.bin = other_build(cluster)
    done = cluster.up()
    assert f"{node}: another devrun-fs takes over its mounts" in done.err, done
    after = {name: cluster.pid(name) for name in before}
    assert all(after.values()), after
    assert not [name for name in before if before[name] == after[name]], (before, after)
    assert cluster.show(job)["state"] == "RUNNING"
    go = cluster.devrun("exec", str(job), "--", "touch", "/tmp/go")
    assert go.status == 0, go
    assert cluster.await_end(job)["state"] == "SUCCEEDED"
    assert cluster.devrun("logs", str(job)).out == b"whole\n"
    assert cluster.devrun("cat", "/work/version").out == b"one\n"


@own_cluster(nodes=2)
def test_a_cluster_that_came_up_smaller_forgets_who_left(cluster):
    assert cluster.devrun("down", "--store", cluster.folder).status == 0
    cluster.nodes = 1
    done = cluster.up()
    assert b"node2" not in cluster.devrun("nodes").out
    assert f"devrun shell {cluster.volume}" in done.err, done
    assert "DEVRUN_CONFIG" not in done.err, done
    elsewhere = cluster.up(env={**cluster.environment(), "DEVRUN_CONFIG": "/nonexistent"})
    assert f"export DEVRUN_CONFIG={cluster.config}; devrun shell" in elsewhere.err, elsewhere


def test_an_up_that_is_refused_leaves_nothing(cluster):
    folder = os.path.join(cluster.home, "small")
    done = cluster.devrun("up", "--size", "1K", "--store", folder)
    assert done.status != 0 and "the same with --size 4G" in done.err, done
    assert not os.path.exists(folder)


@own_cluster(nodes=1)
def test_down_waits_for_a_cgroup_that_is_not_empty_yet(cluster):
    assert cluster.devrun("true", "--memory", "64M").status == 0
    places = [path for path in glob.glob("/sys/fs/cgroup/*/devrun-*") + glob.glob("/sys/fs/cgroup/devrun-*")
              if os.path.isdir(os.path.join(path, "node1")) and os.path.basename(path) == cgroup_of(cluster.folder)]
    assert places, "this machine has cgroups"
    stuck = subprocess.Popen(["sleep", "1000"])
    looked = os.path.join(places[-1], "node1", "goes-before-it")
    os.mkdir(looked)
    try:
        for place in places:
            with open(os.path.join(place, "node1", "cgroup.procs"), "w", encoding="ascii") as file:
                file.write(str(stuck.pid))
        down = cluster.start("down", "--store", cluster.folder)
        harness.wait_until(lambda: not os.path.exists(looked), "down has tried it once")
    finally:
        stuck.kill()
        stuck.wait()
    done = finish(down)
    assert done.status == 0, done
    assert not [place for place in places if os.path.exists(place)]


def cgroup_of(folder):
    """As cli/cluster/layout.cc names it."""
    value = 2166136261
    for byte in folder.encode():
        value = ((value ^ byte) * 16777619) & 0xffffffff
    return f"devrun-{value:08x}"


@own_cluster(nodes=1)
def test_state_survives_down_and_up_and_down_leaves_nothing(cluster):
    harness.write(cluster.live("work/version"), "kept\n")
    job = cluster.submit("cat /work/version")
    cluster.await_end(job)
    running = cluster.submit("exec sleep 1000")
    cluster.await_state(running, "RUNNING")
    down = cluster.devrun("down", "--store", cluster.folder)
    assert down.status == 0 and "1 running job" in down.err, down
    assert cluster.leaks() == []
    assert not os.path.exists(os.path.join(cluster.folder, "run"))
    again = cluster.devrun("down", "--store", cluster.folder)
    assert again.status == 0, again
    cluster.up()
    assert cluster.devrun("logs", str(job)).out == b"kept\n"
    assert cluster.devrun("cat", "/work/version").out == b"kept\n"
    ended = cluster.await_end(running)
    assert len(ended["attempts"]) == 1, ended


@own_cluster(nodes=1)
def test_purge_removes_all_and_asks_first(cluster):
    refused = cluster.devrun("down", "--store", cluster.folder, "--purge")
    assert refused.status == 125 and "--yes" in refused.err, refused
    assert cluster.devrun("true").status == 0, "still up"
    purged = cluster.devrun("down", "--store", cluster.folder, "--purge", "--yes")
    assert purged.status == 0, purged
    assert not os.path.exists(cluster.folder)


@own_cluster(nodes=2)
def test_up_mends_and_down_ends_what_kill_9_left(cluster):
    for daemon in ("controller", "nfs", "node1.keeper", "node1.fs", "store.keeper", "node2.agent"):
        cluster.kill(daemon)
    cluster.mend()
    assert cluster.devrun("cat", "/work/version").out == b"one\n"
    for daemon in ("store.keeper", "node1.keeper", "controller", "node2.fs"):
        cluster.kill(daemon)
    for name in os.listdir(os.path.join(cluster.folder, "run")):
        if name.endswith(".pid"):
            os.remove(os.path.join(cluster.folder, "run", name))


@own_cluster(nodes=1)
def test_an_up_that_is_killed_anywhere_is_made_good_by_the_next(cluster):
    daemons = ["store.keeper", "nfs", "controller", "storage.keeper", "storage.agent", "node1.keeper", "node1.fs",
               "node1.agent"]
    for daemon in daemons:
        assert cluster.devrun("down", "--store", cluster.folder).status == 0
        log = os.path.join(cluster.folder, "run", daemon + ".log")
        child = cluster.start("up", "--store", cluster.folder)
        harness.wait_until(lambda log=log: os.path.exists(log), f"{daemon} is being started")
        child.kill()
        finish(child)
        cluster.mend()
        assert cluster.devrun("true").status == 0, f"killed while it started {daemon}"
        programs = [program for program, words in harness.programs() if any(cluster.folder in word for word in words)]
        for program, count in (("devrun-controller", 1), ("devrun-agent", 2), ("devrun-fs", 1), ("ganesha.nfsd", 1),
                               ("devrun-keeper", 3)):
            assert programs.count(program) == count, (daemon, program, programs)


def test_all_of_it_works_under_a_shared_root(cluster):
    """systemd makes / shared; a mount that leaked would be seen by the process that made the namespace."""
    here = os.path.dirname(os.path.abspath(__file__))
    script = ("mount --make-rshared / && exec /usr/bin/python3 -B -c 'import sys; sys.path.insert(0, sys.argv[1]); "
              "import test_cluster; test_cluster.use_under_shared_root(sys.argv[2])' \"$0\" \"$1\"")
    done = subprocess.run(["unshare", "-m", "sh", "-c", script, here, os.path.dirname(cluster.bin)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout


@own_cluster(nodes=1)
def use_under_shared_root(cluster):
    seen = mounts_of("self")
    assert cluster.devrun("cat", "/work/version").out == b"one\n"
    assert mounts_of("self") == seen, "mounts leaked to the host"
    assert not [mount for mount in seen if cluster.folder in mount[0]], seen
