"""`devrun launch` of more than one job: pipelines, groups, arrays and sweeps."""
import json
import os
import shutil
import signal

from harness import finish, wait_until, write
from test_launch import EXAMPLES, ids, launch, refused, task_file

TWO = "---\nname: one\nrun: {}\n---\nname: two\nrun: {}\n"


def new_jobs(cluster, before):
    return sorted(ids(cluster) - before)


def test_a_pipeline_runs_its_stages_in_turn(cluster):
    before = ids(cluster)
    done = cluster.devrun("launch", os.path.join(EXAMPLES, "pipeline.yaml"), env=cluster.environment(HOME="/root"))
    shutil.rmtree(cluster.live("root/squares"), ignore_errors=True)
    assert done.status == 0 and done.out == b"the sum of the squares is 14\n", done
    assert "stage 1 of 3, make" in done.err and "stage 3 of 3, report" in done.err, done
    jobs = new_jobs(cluster, before)
    assert [cluster.show(job)["name"] for job in jobs] == ["squares/make", "squares/sum", "squares/report"]
    assert cluster.show(jobs[1])["notes"]["stage"] == "2 of 3 of squares"
    assert cluster.show(jobs[2])["after_ok"] == jobs[:2]
    assert b"2 of 3 of squares" in cluster.devrun("show", str(jobs[1])).out
    listed = cluster.devrun("ps", "-a", "--json", "--label", "pipeline=squares")
    assert {job["job"] for job in json.loads(listed.out)["jobs"]} >= set(jobs), listed


def test_a_stage_that_fails_ends_the_pipeline_with_its_status(cluster):
    before = ids(cluster)
    done = launch(cluster, "name: p\n" + TWO.format("exit 7", "echo never"))
    assert done.status == 7 and done.out == b"", done
    assert "stage 1 of 2, one, ended with status 7; 1 after it will not run" in done.err, done
    # The second may not have been submitted by then.
    assert all(cluster.await_end(job)["state"] == "CANCELLED" for job in new_jobs(cluster, before)[1:])


def test_a_pipeline_detached_prints_its_ids(cluster):
    done = launch(cluster, "name: p\n" + TWO.format("echo a > /work/made-by-one", "cat /work/made-by-one"), "-d")
    assert done.status == 0 and len(done.out.split()) == 2, done
    first, second = (int(word) for word in done.out.split())
    assert cluster.await_end(second)["state"] == "SUCCEEDED"
    assert cluster.devrun("logs", str(second)).out == b"a\n"
    assert cluster.show(first)["state"] == "SUCCEEDED"
    done = launch(cluster, TWO.format("exit 0", "exit 0"), "-d", "--json")
    assert [json.loads(line)["job"] for line in done.out.splitlines()], done


def test_stages_see_the_snapshot_of_the_submission(cluster):
    write(cluster.live("work/version"), "submitted\n")
    child = cluster.start("launch", task_file(cluster, TWO.format(
        "|\n  echo up; until [ -e $DEVRUN_SHARED/go ]; do sleep 0.05; done", "cat /work/version")))
    assert child.stdout.readline() == b"up\n"
    write(cluster.live("work/version"), "edited later\n")
    first = max(ids(cluster)) - 1
    assert cluster.devrun("exec", str(first), "sh", "-c", "touch $DEVRUN_SHARED/go").status == 0
    done = finish(child)
    write(cluster.live("work/version"), "one\n")
    assert done.status == 0 and done.out == b"submitted\n", done


def test_flags_hold_for_all_documents(cluster):
    text = ("name: p\n---\nname: one\nenvs: {A: null}\nsetup: exit 9\nrun: echo one $A\n"
            "---\nname: two\nenvs: {A: 1}\nsetup: exit 9\nrun: echo two $A\n")
    done = launch(cluster, text, "--env", "A=given", "--no-setup", "-q")
    assert done.status == 0 and done.out == b"one given\ntwo given\n", done
    shown = launch(cluster, text, "--env", "A=x", "--nodes", "2", "--dry-run", "--json")
    tasks = json.loads(shown.out)["tasks"]
    assert [task["nodes"] for task in tasks] == [2, 2] and [task["envs"]["A"] for task in tasks] == ["x", "x"]
    assert b"pipeline p: 2 tasks" in launch(cluster, text, "--env", "A=x", "--dry-run").out
    said = refused(cluster, text)
    assert said.count("needs a value") == 1 and ":4:" in said, said
    said = refused(cluster, "name: p\n---\nrun: x\nresources: {use_spot: true}\n---\nrun: [x]\n", "--strict")
    assert ":4:13: error" in said and ":6:6: error: run" in said, said


def test_a_group_begins_together_and_knows_its_names(cluster):
    text = """name: duo
execution: parallel
---
name: server
run: |
  grep -c duo /etc/hosts
  getent hosts client-0.duo >/dev/null || grep -q ' client-0.duo' /etc/hosts && echo knows client
  echo group $SKYPILOT_JOBGROUP_NAME
---
name: client
setup: sleep 0.5
run: grep -q ' server-0.duo' /etc/hosts && echo knows server
"""
    before = ids(cluster)
    done = launch(cluster, text)
    lines = sorted(done.out.decode().splitlines())
    assert done.status == 0, done
    assert lines == ["[client] knows server", "[server] 2", "[server] group duo", "[server] knows client"], done
    server, client = new_jobs(cluster, before)
    began = {job: cluster.show(job) for job in (server, client)}
    assert began[client]["group"]["leader"] == server and began[server]["group"]["size"] == 2, began


def test_a_member_that_fails_ends_its_group(cluster):
    done = launch(cluster, "name: g\nexecution: parallel\n" + TWO.format("exit 3", "exec sleep 1000"))
    assert done.status == 3, done
    assert "one of group g ended with status 3" in done.err, done


def test_a_member_waits_for_one_that_has_no_room(cluster):
    text = ("name: g\nexecution: parallel\n---\nname: one\nrun: echo ran\n"
            "---\nname: two\nresources: {accelerators: 'H100:8'}\nrun: echo never\n")
    done = launch(cluster, text, "-d", "-q")
    first, second = (int(word) for word in done.out.split())
    cluster.await_state(first, "SETTING_UP")
    wait_until(lambda: "1 of 2 are ready" in cluster.show(first)["reason"], "the reason")
    assert cluster.devrun("logs", str(first)).out == b""
    cluster.devrun("cancel", str(second))
    assert cluster.await_end(first)["state"] == "CANCELLED"


def test_secondary_tasks_end_with_the_primary_ones(cluster):
    text = ("name: g\nexecution: parallel\nprimary_tasks: [one]\n"
            + TWO.format("echo done", "exec sleep 1000"))
    done = launch(cluster, text)
    assert done.status == 0 and b"[one] done\n" in done.out, done


def test_ctrl_c_ends_the_whole_group(cluster):
    child = cluster.start("launch", task_file(
        cluster, "name: g\nexecution: parallel\n" + TWO.format("|\n  echo up\n  exec sleep 1000", "exec sleep 1000")))
    assert child.stdout.readline() == b"[one] up\n"
    jobs = sorted(ids(cluster))[-2:]
    child.send_signal(signal.SIGINT)
    assert finish(child).status == 130
    assert all(cluster.await_end(job)["state"] == "CANCELLED" for job in jobs)


def test_an_array_and_its_tasks(cluster):
    done = launch(cluster, "devrun: {array: 3}\nrun: echo $SKYPILOT_JOB_RANK of $SKYPILOT_NUM_JOBS\n")
    assert done.status == 0, done
    assert sorted(done.out.splitlines()) == [b"[0] 0 of 3", b"[1] 1 of 3", b"[2] 2 of 3"], done
    done = launch(cluster, "devrun: {array: 3}\nrun: '[ $SKYPILOT_JOB_RANK != 1 ] || exit 6'\n")
    assert done.status == 6, done
    said = refused(cluster, "devrun: {array: 65}\nrun: x\n")
    assert "-d" in said, said


def test_a_sweep_gives_each_task_its_point(cluster):
    done = cluster.devrun("launch", "-d", os.path.join(EXAMPLES, "sweep.yaml"))
    job = int(done.out)
    record = cluster.await_end(job)
    assert record["state"] == "SUCCEEDED" and len(record["attempts"]) == 6, record
    assert record["sweep"] == {"lr": ["0.1", "0.01"], "seed": ["1", "2", "3"]}, record
    shown = cluster.devrun("show", str(job)).out.decode()
    assert "POINT" in shown and "lr=0.01 seed=3" in shown and "lr (2) × seed (3)" in shown, shown
    assert cluster.devrun("logs", f"{job}_4").out == b"loss 14 with lr=0.01, task 4 of 6\n"
    assert "lr=0.01 seed=2" in cluster.devrun("show", f"{job}_4").out.decode()
    assert json.loads(cluster.devrun("show", f"{job}_4", "--json").out)["point"] == ["lr=0.01", "seed=2"]
    # One task alone, again, has its own point.
    again = cluster.devrun("rerun", "-d", f"{job}_4")
    other = int(again.out)
    cluster.await_end(other)
    assert b"lr=0.01" in cluster.devrun("logs", f"{other}_4").out, again


def test_setup_sees_the_point_of_its_task(cluster):
    for _ in range(2):
        done = launch(cluster, "devrun: {sweep: {lr: [a, b]}}\nsetup: echo $lr > /work/point\nrun: cat /work/point\n")
        assert done.status == 0 and sorted(done.out.splitlines()) == [b"[lr=a] a", b"[lr=b] b"], done


def test_a_group_waits_for_each_others_setup_every_time(cluster):
    text = """name: g
execution: parallel
---
name: quick
setup: echo quick > /work/set-up
run: grep -q ' slow-0.g' /etc/hosts && cat $SEEN/ready
---
name: slow
setup: sleep 0.5; echo ready > $SEEN/ready
run: cat /work/set-up 2>/dev/null; echo slow
"""
    assert launch(cluster, "file_mounts: {/seen: {name: seen-by-group}}\nrun: ':'\n").status == 0
    both = text.replace("\nsetup:", "\nvolumes: {/seen: seen-by-group}\nenvs: {SEEN: /seen}\nsetup:")
    for _ in range(2):
        done = launch(cluster, both)
        os.remove(cluster.live("ready", volume="seen-by-group"))
        assert done.status == 0 and sorted(done.out.splitlines()) == [b"[quick] ready", b"[slow] slow"], done


def test_mounts_are_seen_by_a_setup_that_ran_before(cluster):
    # What setup read at a mount is an input like others.
    os.makedirs(cluster.live("work/inputs"), exist_ok=True)
    text = ("file_mounts: {/opt/inputs: /work/inputs}\nsetup: cat /opt/inputs/x > /work/made\nrun: cat /work/made\n")
    for content in ("one\n", "one\n", "two\n"):
        write(cluster.live("work/inputs/x"), content)
        write(cluster.live("work/mounted.yaml"), text)
        done = cluster.devrun("shell", cluster.volume, "--", "sh", "-c", "cd /work && devrun launch mounted.yaml")
        assert done.status == 0 and done.out == content.encode(), (content, done)


def test_a_sweep_wins_over_bashrc_and_envs_and_env_leaves_one_value(cluster):
    write(cluster.live("root/.bashrc"), "export lr=from-bashrc\n")
    text = "envs: {lr: 7}\ndevrun: {sweep: {lr: [a, b]}}\nrun: echo $lr\n"
    done = launch(cluster, text)
    assert sorted(done.out.splitlines()) == [b"[lr=a] a", b"[lr=b] b"], done
    done = launch(cluster, text, "--env", "lr=c")
    os.remove(cluster.live("root/.bashrc"))
    assert done.out == b"[lr=c] c\n", done
