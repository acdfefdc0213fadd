"""Task files as SkyPilot's users expect them: alternatives, recovery, ids of tasks, what is said of groups, arrays and flags."""
import json
import os

from harness import own_cluster, wait_until
from test_launch import ids, launch, refused
from test_launch_several import new_jobs


def test_an_alternative_that_no_node_could_have_is_passed_over(cluster):
    before = ids(cluster)
    text = "name: t\nresources: {memory: 0.25, ordered: [{cpus: 4000}, {cpus: 0.5, memory: null}]}\nrun: echo ran\n"
    done = launch(cluster, text)
    assert done.status == 0 and done.out == b"ran\n", done
    assert "t takes the second of 2 alternatives, 0.5 CPUs: the first needs 4000 cores on one node" in done.err, done
    assert cluster.show(new_jobs(cluster, before)[0])["per_node"] == {
        **cluster.show(new_jobs(cluster, before)[0])["per_node"], "cpu_milli": 500, "memory_bytes": 0}
    plan = launch(cluster, text, "--dry-run")
    assert b"  each      4000 CPUs, 256 MB memory\n  or        0.5 CPUs\n" in plan.out, plan
    assert "takes the second" in plan.err and "it would start at once" in plan.err, plan
    # Of what the cluster has none of it may get any.
    done = launch(cluster, "resources: {accelerators: {A100: 1, H100: 2}}\nrun: echo never\n", "-d", "-q")
    assert len(cluster.show(int(done.out))["alternatives"]) == 2
    assert "; or needs 2 H100 GPUs" in cluster.devrun("explain", done.out.decode().strip()).out.decode()
    cluster.devrun("cancel", done.out.decode().strip())
    done = launch(cluster, "resources: {any_of: [{use_spot: true}, {use_spot: false}]}\nrun: echo ran\n")
    assert done.out == b"ran\n" and "alternatives" not in done.err, done


@own_cluster(1)
def test_a_job_that_waits_takes_whichever_alternative_is_free_first(cluster):
    total = json.loads(cluster.devrun("nodes", "--json").out)["nodes"][0]["total"]["memory_bytes"]
    cores, more_than_half = os.cpu_count(), total // 2 // (1 << 20) + 64
    of_cores = cluster.submit("exec sleep 1000", "--cpus", "0.5", "--memory", "64M")
    of_memory = cluster.submit("exec sleep 1000", "--cpus", "0.1", "--memory", f"{more_than_half}M")
    text = (f"name: w\nresources:\n  any_of:\n    - {{cpus: {cores}, memory: 64MB}}\n"
            f"    - {{cpus: 0.1, memory: {more_than_half}MB}}\nrun: echo ran\n")
    done = launch(cluster, text, "-d")
    job = int(done.out)
    wait_until(lambda: "; or needs" in cluster.show(job)["reason"], "the reasons")
    assert len(cluster.show(job)["alternatives"]) == 2
    assert b"or for" in cluster.devrun("show", str(job)).out
    cluster.devrun("cancel", str(of_memory))
    assert cluster.await_end(job)["state"] == "SUCCEEDED"
    assert cluster.show(job)["per_node"]["cpu_milli"] == 100 and cluster.show(of_cores)["state"] == "RUNNING"


def test_recovery_is_as_in_skypilot(cluster):
    before = ids(cluster)
    text = ("resources: {job_recovery: {max_restarts_on_errors: 1, recover_on_exit_codes: [33, 34]}}\n"
            "run: |\n  echo attempt $DEVRUN_ATTEMPT\n  case $DEVRUN_ATTEMPT in 1) exit 33;; 2) exit 1;; 3) exit 34;; esac\n"
            "  exit 7\n")
    done = launch(cluster, text)
    assert done.status == 7 and done.out == b"attempt 1\nattempt 2\nattempt 3\nattempt 4\n", done
    job = new_jobs(cluster, before)[0]
    record = cluster.show(job)
    assert [one["ending"]["status"] for one in record["attempts"]] == [33, 1, 34, 7], record
    assert record["retries"] == 1 and record["retry_always_on"] == [33, 34] and record["retry_lost"], record
    assert b"of a lost node, and after status 33, 34" in cluster.devrun("show", str(job)).out
    # No number: what the program does is not repeated, but for what is listed.
    done = launch(cluster, "resources: {job_recovery: FAILOVER}\nrun: exit 5\n")
    assert done.status == 5 and len(cluster.show(new_jobs(cluster, before)[1])["attempts"]) == 1, done


def test_what_cannot_be_fetched_is_not_tried_for_ever(cluster):
    before = ids(cluster)
    text = "file_mounts: {/in: 's3://b/x'}\nresources: {job_recovery: {strategy: EAGER_NEXT_REGION}}\nrun: echo never\n"
    done = launch(cluster, text)
    assert done.status == 125 and len(cluster.show(new_jobs(cluster, before)[0])["attempts"]) == 1, done


def test_stages_know_each_others_ids(cluster):
    before = ids(cluster)
    stage = "name: {}\nrun: |\n  echo own $SKYPILOT_TASK_ID\n  echo \"$SKYPILOT_TASK_IDS\"\n"
    done = launch(cluster, "name: p\n---\n" + stage.format("one") + "---\n" + stage.format("two"), "-q")
    first = new_jobs(cluster, before)[0]
    both = f"devrun-{first}-0\ndevrun-{first}-1\n"
    assert done.out.decode() == f"own devrun-{first}-0\n{both}own devrun-{first}-1\n{both}", done
    # Again it is another task, and stands alone.
    again = cluster.devrun("rerun", str(first))
    job = max(ids(cluster))
    assert again.out.decode() == f"own devrun-{job}\ndevrun-{job}\n", again
    done = launch(cluster, "devrun: {array: 2}\n" + stage.format("a"), "-q")
    job = max(ids(cluster))
    lines = set(done.out.decode().splitlines())
    assert lines == {f"[{n}] {word}devrun-{job}_{n}" for n in (0, 1) for word in ("", "own ")}, done


@own_cluster(1)
def test_a_group_that_does_not_fit_beside_itself_says_so(cluster):
    cores = os.cpu_count()
    member = "---\nname: {}\nresources: {{cpus: {}}}\nrun: echo never\n"
    text = "name: g\nexecution: parallel\n" + member.format("a", cores) + member.format("b", cores)
    done = launch(cluster, text, "-d")
    first, second = (int(word) for word in done.out.split())
    beside = f"the group g does not fit beside itself: where the others of it have what they ask for, b (job {second}) finds no node"
    assert f"b waits: {beside}" in done.err, done
    assert beside in cluster.devrun("explain", str(second)).out.decode()
    wait_until(lambda: "1 of 2 are ready; " + beside in cluster.show(first)["reason"], "the reason of the one that is there")
    assert "does not fit" in cluster.devrun("ps").out.decode()
    cluster.devrun("cancel", str(first))
    assert cluster.await_end(second)["state"] == "CANCELLED"


def test_a_sweep_with_several_nodes_shows_all_ranks_and_what_came_home(cluster):
    text = ("name: s\nnum_nodes: 2\nresources: {cpus: 0.1}\ndevrun: {sweep: {x: [1, 2]}}\n"
            "run: |\n  echo rank $SKYPILOT_NODE_RANK of x=$x\n  echo $x > ~/of-$x-$SKYPILOT_NODE_RANK\n")
    done = launch(cluster, text, env=cluster.environment(HOME="/root"))
    lines = sorted(done.out.decode().splitlines())
    assert lines == [f"[x={x}, rank {r}] rank {r} of x={x}" for x in (1, 2) for r in (0, 1)], done
    assert "4 files" in done.err, done
    for x in (1, 2):
        for r in (0, 1):
            os.remove(cluster.live(f"root/of-{x}-{r}"))
    said = launch(cluster, text.replace("[1, 2]", "1..40"))
    assert said.status == 125 and "40 tasks on 2 nodes each are too many" in said.err, said


def test_what_would_be_refused_is_said_by_a_dry_run(cluster):
    text = "workdir: no/such/folder\nrun: echo never\n"
    done = launch(cluster, text, "--dry-run")
    assert done.status == 0 and b"line 1: workdir 'no/such/folder' is not a folder here" in done.out, done
    said = refused(cluster, text, "--dry-run", "--strict")
    assert ":1:10: error: workdir 'no/such/folder' is not a folder here, so that a launch would be refused" in said, said


def test_a_mounted_bucket_is_refused_if_strict(cluster):
    text = "file_mounts:\n  /data: {source: 's3://b/x', mode: MOUNT}\nrun: echo never\n"
    said = refused(cluster, text, "--strict")
    assert ":2:19: error: s3://b/x is fetched once into the folder mounted at /data" in said, said
    done = launch(cluster, text, "--dry-run")
    assert done.status == 0 and b"does not go back to it" in done.out, done


def test_a_volume_that_wins_over_an_image_is_said(cluster):
    text = "resources: {image_id: 'docker:debian:bookworm'}\nrun: echo ran\n"
    done = launch(cluster, text, "--volume", cluster.volume)
    assert done.status == 0 and done.out == b"ran\n", done
    assert f"--volume {cluster.volume}: the task runs in that volume, and not in its image_id" in done.err, done
    assert "--volume" in refused(cluster, text, "--volume", cluster.volume, "--strict")


def test_options_of_sky_are_taken_or_answered(cluster):
    text = "run: echo $0 ran\n"
    done = launch(cluster, text, "-y", "-n", "called")
    assert done.status == 0 and cluster.show(max(ids(cluster)))["name"] == "called", done
    for options, words in ((["-c", "mine"], "every launch is a job of its own"), (["--cluster=mine"], "devrun exec JOB"),
                           (["--down"], "nothing is left to take down"), (["-i", "10"], "nothing is left to take down"),
                           (["--num-nodes", "2"], "--nodes N"), (["--use-spot"], "the cluster's own nodes"),
                           (["--dryrun"], "--dry-run"), (["-r"], "waits until there is room")):
        done = launch(cluster, text, *options)
        assert done.status == 2 and words in done.err and "unknown option" in done.err, (options, done)
