"""Kinds of paths: node paths, live paths, the nodes' own mounts, $DEVRUN_SHARED; jobs that are run again."""
import json
import os

from harness import own_cluster, wait_until, with_flags, write


def live(cluster, path):
    """A file of the live volume, read in its dev container."""
    done = cluster.devrun("shell", cluster.volume, "--", "cat", path)
    assert done.status == 0, done
    return done.out.decode()


def test_paths_are_shown_and_set(cluster):
    done = cluster.devrun("volume", "paths", cluster.volume)
    assert done.status == 0 and "all else" in done.out.decode(), done
    done = cluster.devrun("volume", "paths", cluster.volume, "--home", "/srv/out", "--node", "node_modules", "--json")
    found = {one.get("name", one["path"]): (one["kind"], one["set_by"]) for one in json.loads(done.out)["paths"]}
    assert found["/srv/out"] == ("home", "volume") and found["node_modules"] == ("node", "volume"), found
    done = cluster.devrun("volume", "paths", cluster.volume, "--node", "/tmp/x")
    assert done.status == 2 and "/tmp starts empty" in done.err, done
    job = cluster.submit("true")
    kinds = {(one["path"], one.get("name")): one["kind"] for one in cluster.show(job)["paths"]}
    assert kinds[("/srv/out", None)] == "home" and kinds[("/", "node_modules")] == "node", kinds
    cluster.await_state(job, "SUCCEEDED")
    done = cluster.devrun("volume", "paths", cluster.volume, "--unset", "/srv/out", "--unset", "node_modules")
    assert done.status == 0 and "volume" not in done.out.decode(), done


def test_what_a_job_leaves_in_a_node_path_the_next_one_finds(cluster):
    cluster.devrun("shell", cluster.volume, "--", "sh", "-c", "mkdir -p /root/.cache/m; echo mine > /root/.cache/m/x")
    options = ("-C", "/root", "-e", "HOME=/root")
    where = cluster.devrun("volume", "paths", cluster.volume, "--node", "/root/.cache")
    assert where.status == 0, where
    done = cluster.sh("cat .cache/m/x; echo $DEVRUN_NODE > .cache/m/node; echo got > .cache/m/new; rm .cache/m/x",
                      *options)
    assert done.status == 0 and done.out.decode() == "mine\n", done

    def found():
        again = cluster.sh("cat .cache/m/node .cache/m/new; ls .cache/m; echo $DEVRUN_NODE", *options)
        assert again.status in (0, 1), again
        words = again.out.decode().split()
        return len(words) > 1 and words[0] == words[-1] and words[1] == "got" and "x" not in words[2:-1]
    # Of several nodes it is that one alone; and an attempt is released a moment after its end.
    wait_until(found, "a job on the same node sees what an earlier one left")
    assert live(cluster, "/root/.cache/m/x") == "mine\n"
    cluster.devrun("volume", "paths", cluster.volume, "--unset", "/root/.cache")


def test_a_live_path_is_the_volume_itself(cluster):
    cluster.devrun("shell", cluster.volume, "--", "sh", "-c", "mkdir -p /data/live; echo one > /data/live/x")
    job = cluster.submit("until grep -q two /data/live/x; do sleep 0.05; done; echo three > /data/live/y",
                         "--live", "/data/live")
    cluster.await_state(job, "RUNNING")
    cluster.devrun("shell", cluster.volume, "--", "sh", "-c", "echo two > /data/live/x")
    cluster.await_state(job, "SUCCEEDED")
    assert live(cluster, "/data/live/y") == "three\n"
    done = cluster.sh("true", "--live", "/data/nothing")
    assert done.status == 125 and "is no folder of volume" in done.err and "mkdir" in done.err, done


def test_a_live_path_cannot_lead_out_of_the_volume(cluster):
    done = cluster.devrun("shell", cluster.volume, "--", "ln", "-sfn", "/../../../../../../etc", "/data/leads-out")
    assert done.status == 0, done
    done = cluster.sh("cat /data/leads-out/passwd", "--live", "/data/leads-out")
    # The volume's own /etc: links are followed below its root alone.
    assert done.status == 0 and "Ada" in done.out.decode(), done


def test_ranks_share_a_directory(cluster):
    done = cluster.sh('echo $DEVRUN_RANK > $DEVRUN_SHARED/$DEVRUN_RANK; '
                      'until [ -e $DEVRUN_SHARED/0 ] && [ -e $DEVRUN_SHARED/1 ]; do sleep 0.05; done; '
                      'ls $DEVRUN_SHARED | wc -l', "--nodes", "2")
    assert done.status == 0 and sorted(done.out.decode().split()) == ["2", "2", "[0]", "[1]"], done
    done = cluster.sh("ls $DEVRUN_SHARED | wc -l")
    assert done.out.decode().strip() == "0", f"another job's is another: {done}"


def test_a_job_runs_again_in_its_snapshot(cluster):
    cluster.devrun("shell", cluster.volume, "--", "sh", "-c", "echo before > /work/again")
    done = cluster.sh("cat /work/again; echo $SEED", "-e", "SEED=7", "--name", "again")
    assert done.out.decode() == "before\n7\n", done
    job = max(one["job"] for one in cluster.jobs() if one["name"] == "again")
    cluster.devrun("shell", cluster.volume, "--", "sh", "-c", "echo after > /work/again")
    done = cluster.devrun("rerun", str(job))
    assert done.status == 0 and done.out.decode() == "before\n7\n", done
    done = cluster.devrun("rerun", str(job), "--", "sh", "-c", "echo other $SEED")
    assert done.out.decode() == "other 7\n", done
    done = cluster.devrun("rerun", "99999")
    assert done.status == 125 and "there is no job 99999" in done.err, done


@own_cluster(nodes=1)
def test_the_nodes_own_mounts_are_in_jobs_and_dev_containers(cluster):
    folder = os.path.join(cluster.home, "datasets")
    os.makedirs(folder, exist_ok=True)
    write(os.path.join(folder, "set"), "of the site\n")
    with_flags(cluster, agent=["--site-mount", f"{folder}:/mnt/datasets:ro:container-ids"])
    done = cluster.sh("cat /mnt/datasets/set; touch /mnt/datasets/new")
    assert done.out == b"of the site\n" and done.status != 0, done
    assert live(cluster, "/mnt/datasets/set") == "of the site\n"
    wait_until(lambda: b"/mnt/datasets" in cluster.devrun("volume", "paths", cluster.volume).out, "it is shown")
