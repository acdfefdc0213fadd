"""What jobs wrote, as users see it: the end of a run, changes, apply, undo, diff."""
import json

from harness import wait_until

HOME = ("-C", "/root", "-e", "HOME=/root")


def here(cluster, script):
    """Something done in the volume itself."""
    done = cluster.devrun("shell", cluster.volume, "--", "sh", "-c", script)
    assert done.status == 0, done
    return done.out.decode()


def run(cluster, script, *options):
    """A job's number, once it has ended well."""
    job = cluster.submit(script, *HOME, *options)
    cluster.await_state(job, "SUCCEEDED")
    return job


def changes(cluster, job, *paths):
    done = cluster.devrun("changes", "--json", str(job), *paths)
    assert done.status == 0, done
    return {one["path"]: (one["kind"], one["state"]) for one in map(json.loads, done.out.splitlines())}


def test_an_empty_word_is_no_path(cluster):
    for words in (("apply", "1", ""), ("changes", "1", "")):
        done = cluster.devrun(*words)
        assert done.status == 2 and "empty" in done.err, (words, done)


def test_the_end_of_a_run_says_what_is_home_and_what_is_kept(cluster):
    done = cluster.sh("mkdir -p out1; echo a > out1/a; echo bb > out1/b; echo c > /usr/kept1", *HOME)
    assert done.status == 0, done
    assert "devrun: 2 files, 5 B to /root/out1\n" in done.err or "to /root\n" in done.err, done
    assert "A /root/out1/b  3 B\n" in done.err, done
    assert "outside of home stay" in done.err and "Try: devrun changes " in done.err, done
    assert here(cluster, "cat /root/out1/a /root/out1/b") == "a\nbb\n"
    assert here(cluster, "ls /usr") .find("kept1") == -1
    quiet = cluster.sh("echo q > out1/q", "-q", *HOME)
    assert quiet.err == "", quiet
    assert cluster.sh("true", *HOME).err == "", "nothing is said of nothing"


def test_changes_apply_and_undo(cluster):
    here(cluster, "mkdir -p /root/two; echo old > /root/two/m; echo old > /root/two/d")
    job = run(cluster, "echo new > two/m; rm two/d; echo new > two/a; echo k > /usr/kept2")
    found = changes(cluster, job)
    assert found["/root/two/m"] == ("M", "home") and found["/root/two/d"] == ("D", "home"), found
    assert found["/root/two/a"] == ("A", "home") and found["/usr/kept2"] == ("A", "kept"), found
    assert set(changes(cluster, job, "/usr")) == {"/usr/kept2"}
    wrong = cluster.devrun("changes", str(job), "/nothing")
    assert wrong.status == 125 and "has not written /nothing" in wrong.err, wrong
    done = cluster.devrun("apply", str(job))
    assert done.status == 0 and f"1 file, 2 B of job {job} is in the volume" in done.err, done
    assert here(cluster, "cat /usr/kept2") == "k\n"
    again = cluster.devrun("apply", str(job))
    assert again.status == 0 and "is left to take" in again.err, again
    here(cluster, "echo mine > /root/two/a")
    done = cluster.devrun("undo", str(job))
    assert done.status == 123 and "/root/two/a" in done.err, done
    assert here(cluster, "cat /root/two/m /root/two/d /root/two/a; ls /usr") .startswith("old\nold\nmine\n")
    assert "kept2" not in here(cluster, "ls /usr")


def test_a_conflict_is_named_with_the_command_that_takes_it(cluster):
    here(cluster, "echo base > /root/both")
    job = cluster.submit("until [ -e /data/go ] || [ -e /tmp/go ]; do sleep 0.05; done; echo theirs > both", *HOME,
                         "--live", "/data")
    cluster.await_state(job, "RUNNING")
    here(cluster, "echo mine > /root/both; touch /data/go")
    done = cluster.devrun("attach", str(job))
    assert done.status == 0, done
    assert "yours is as you left it" in done.err and f"devrun apply --beside {job} /root/both" in done.err, done
    assert here(cluster, "cat /root/both; rm /data/go") == "mine\n"
    assert changes(cluster, job)["/root/both"] == ("M", "conflict")
    left = cluster.devrun("apply", str(job))
    assert left.status == 123 and "/root/both" in left.err, left
    done = cluster.devrun("apply", "--beside", str(job), "both", cwd="/")
    assert done.status == 125, done  # /both: paths are meant from here
    done = cluster.devrun("apply", "--beside", str(job), "/root/both")
    assert done.status == 0, done
    assert here(cluster, f"cat /root/both /root/both.devrun-{job}") == "mine\ntheirs\n"
    done = cluster.devrun("apply", "--over", str(job), "/root/both")
    assert done.status == 0 and here(cluster, "cat /root/both") == "theirs\n", done


def test_keep_and_discard(cluster):
    job = run(cluster, "echo k > kept3", "--keep")
    assert "kept3" not in here(cluster, "ls /root")
    assert changes(cluster, job) == {"/root/kept3": ("A", "kept")}
    assert cluster.devrun("apply", str(job), "/root/kept3").status == 0
    assert here(cluster, "cat /root/kept3") == "k\n"
    job = run(cluster, "echo d > gone3", "--discard")
    assert "gone3" not in here(cluster, "ls /root")
    done = cluster.devrun("changes", str(job))
    assert done.status == 0 and done.out == b"" and "nothing that job" in done.err, done


def test_what_a_running_job_has_written_is_listed(cluster):
    job = cluster.submit("echo 1 > running4; until [ -e /tmp/never ]; do sleep 0.1; done", *HOME)
    cluster.await_state(job, "RUNNING")
    wait_until(lambda: "/root/running4" in changes(cluster, job), "what is complete is listed while it runs")
    done = cluster.devrun("undo", str(job))
    assert done.status == 125 and "still runs" in done.err, done
    cluster.devrun("cancel", str(job))
    cluster.await_state(job, "CANCELLED")
    assert here(cluster, "cat /root/running4") == "1\n"


def test_ranks_and_tasks_are_listed_and_taken_in_turn(cluster):
    job = run(cluster, "echo $DEVRUN_RANK > rank5.$DEVRUN_RANK; echo $DEVRUN_RANK > /usr/rank5.$DEVRUN_RANK",
              "--nodes", "2")
    assert set(changes(cluster, job)) == {"/root/rank5.0", "/root/rank5.1", "/usr/rank5.0", "/usr/rank5.1"}
    assert set(changes(cluster, f"{job}.1")) == {"/root/rank5.1", "/usr/rank5.1"}
    done = cluster.devrun("apply", "--json", str(job))
    assert [one["files"] for one in json.loads(done.out)["change_sets"]] == [1, 1], done
    assert here(cluster, "cat /usr/rank5.0 /usr/rank5.1 /root/rank5.0 /root/rank5.1") == "0\n1\n0\n1\n"
    job = run(cluster, "echo $DEVRUN_TASK > task5.$DEVRUN_TASK", "--array", "0-3")
    assert len(changes(cluster, job)) == 4 and set(changes(cluster, f"{job}_2")) == {"/root/task5.2"}
    assert cluster.devrun("undo", f"{job}_2").status == 0
    assert sorted(here(cluster, "ls /root").split()).count("task5.2") == 0


def test_two_runs_and_now_are_compared_packages_by_name(cluster):
    site = "/usr/lib/python3/site-packages"
    here(cluster, f"mkdir -p {site}/numpy {site}/numpy-1.24.4.dist-info; echo 1 > {site}/numpy/a.py; "
                  f"echo numpy/a.py,, > {site}/numpy-1.24.4.dist-info/RECORD; echo 1 > /root/six6")
    first = run(cluster, "true")
    here(cluster, f"cd {site}; rm -r numpy-1.24.4.dist-info; mkdir numpy-1.26.0.dist-info; echo 2 > numpy/a.py; "
                  "echo numpy/a.py,, > numpy-1.26.0.dist-info/RECORD; echo 2 > /root/six6")
    second = run(cluster, "true")
    done = cluster.devrun("diff", str(first), str(second))
    assert done.status == 0, done
    assert done.out.decode().splitlines() == ["P numpy 1.24.4 → 1.26.0", "M /root/six6"], done
    assert "of these packages differ" in done.err, done
    assert cluster.devrun("diff", str(second), str(first)).out.decode().startswith("P numpy 1.26.0 → 1.24.4\n")
    here(cluster, "echo 3 > /root/six6.new")
    now = cluster.devrun("diff", str(second))
    assert now.out == b"A /root/six6.new\n", now
    assert f"{site}/numpy/a.py" in cluster.devrun("diff", "--files", str(first), str(second)).out.decode()


def test_another_users_job_is_not_to_be_seen(cluster):
    job = run(cluster, "echo x > mine7")
    for command in ("changes", "apply", "undo", "diff"):
        done = cluster.devrun("shell", cluster.volume, "--", "su", "ada", "-c", f"devrun {command} {job}")
        assert done.status == 125 and f"there is no job {job}" in done.err, done
