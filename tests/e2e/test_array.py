"""Arrays of tasks, and jobs that wait for others."""
import json

from harness import finish, wait_until


def tasks_of(record):
    return {attempt["task"]: attempt for attempt in record["attempts"]}


def test_every_task_runs_and_knows_its_number(cluster):
    job = cluster.submit("echo $DEVRUN_TASK $SKYPILOT_JOB_RANK $SKYPILOT_NUM_JOBS", "--array", "0-4")
    record = cluster.await_end(job)
    assert record["state"] == "SUCCEEDED" and sorted(tasks_of(record)) == [0, 1, 2, 3, 4], record
    for task in range(5):
        assert cluster.devrun("logs", f"{job}_{task}").out == f"{task} {task} 5\n".encode()
    assert cluster.devrun("wait", str(job)).status == 0


def test_numbers_with_gaps_and_steps(cluster):
    job = cluster.submit("echo $DEVRUN_TASK $SKYPILOT_JOB_RANK $SKYPILOT_NUM_JOBS", "--array", "3,10-14:2")
    record = cluster.await_end(job)
    assert sorted(tasks_of(record)) == [3, 10, 12, 14], record
    for rank, task in enumerate((3, 10, 12, 14)):
        assert cluster.devrun("logs", f"{job}_{task}").out == f"{task} {rank} 4\n".encode()


def test_a_number_named_twice_is_one_task(cluster):
    job = cluster.submit("echo $DEVRUN_TASK $SKYPILOT_JOB_RANK $SKYPILOT_NUM_JOBS", "--array", "0-3,2-4")
    record = cluster.await_end(job)
    assert sorted(attempt["task"] for attempt in record["attempts"]) == [0, 1, 2, 3, 4], record
    done = cluster.devrun("logs", f"{job}_4")
    assert done.out == b"4 4 5\n", done


def test_a_percentage_bounds_how_many_run_at_once(cluster):
    job = cluster.submit("exec sleep 0.3", "--array", "0-5%2", "--cpus", "0.2")
    record = cluster.await_end(job)
    spans = [(attempt["timeline"]["placed_us"], attempt["timeline"]["ended_us"]) for attempt in record["attempts"]]
    assert len(spans) == 6 and record["state"] == "SUCCEEDED", record
    together = [sum(begin <= moment < end for begin, end in spans) for moment, _ in spans]
    assert max(together) == 2, (together, spans)


def test_without_a_bound_tasks_fill_the_nodes(cluster):
    job = cluster.submit("exec sleep 1000", "--array", "0-5", "--cpus", "1")
    wait_until(lambda: sum(attempt["state"] == "RUNNING" for attempt in cluster.show(job)["attempts"]) == cluster.nodes,
               "a task on every node")
    said = cluster.devrun("explain", str(job))
    assert said.status == 0 and b"core" in said.out, said
    record = cluster.show(job)
    assert len(record["attempts"]) == cluster.nodes, record
    assert cluster.devrun("cancel", str(job)).status == 0
    record = cluster.await_end(job)
    assert record["state"] == "CANCELLED", record
    assert {attempt["state"] for attempt in record["attempts"]} == {"CANCELLED"}, record
    assert len(record["attempts"]) == cluster.nodes, "a cancelled task starts no more"
    assert cluster.devrun("wait", str(job)).status == 130


def test_a_failed_task_makes_the_job_failed_and_the_others_go_on(cluster):
    job = cluster.submit("[ $DEVRUN_TASK != 1 ] || exit 23; echo fine", "--array", "0-4%1")
    record = cluster.await_end(job)
    assert record["state"] == "FAILED" and record["ending"]["status"] == 23, record
    states = {task: attempt["state"] for task, attempt in tasks_of(record).items()}
    assert states == {task: "FAILED" if task == 1 else "SUCCEEDED" for task in range(5)}, states
    assert cluster.devrun("wait", str(job)).status == 23
    assert cluster.devrun("logs", f"{job}_4").out == b"fine\n"


def test_waiting_for_one_task_gives_its_own_status(cluster):
    job = cluster.submit("[ $DEVRUN_TASK != 1 ] || exit 23", "--array", "0-2")
    cluster.await_end(job)
    statuses = [cluster.devrun("wait", f"{job}_{task}").status for task in range(3)]
    assert statuses == [0, 23, 0], statuses


def test_a_task_or_attempt_that_is_not_there_is_said(cluster):
    job = cluster.submit("true", "--array", "0-2")
    cluster.await_end(job)
    for command, word in (("wait", f"{job}_99"), ("show", f"{job}_99"), ("show", f"{job}_1#7"), ("explain", f"{job}_1#7"),
                          ("wait", f"{job}_1.5"), ("wait", f"{job}_1#7")):
        done = cluster.devrun(command, word)
        assert done.status == 125 and "has no" in done.err + " has no" * ("there is no" in done.err), (command, word, done)


def test_one_task_can_be_cancelled(cluster):
    job = cluster.submit("[ $DEVRUN_TASK = 0 ] || exit 0; exec sleep 1000", "--array", "0-2")
    wait_until(lambda: len(tasks_of(cluster.show(job))) == 3, "all tasks started")
    assert cluster.devrun("cancel", f"{job}_0").status == 0
    record = cluster.await_end(job)
    states = {task: attempt["state"] for task, attempt in tasks_of(record).items()}
    assert states == {0: "CANCELLED", 1: "SUCCEEDED", 2: "SUCCEEDED"}, states


def test_bad_ranges_start_nothing(cluster):
    before = len(cluster.jobs())
    for text in ("4-1", "a", "0-4%0", "", "0--3", "1-2-3", "0-99999999999"):
        done = cluster.devrun("-d", "--array", text, "true")
        assert done.status in (2, 125) and done.out == b"" and "--array" in done.err, (text, done)
    assert len(cluster.jobs()) == before


def held_job(cluster):
    """A job that runs until its input ends, and then exits with what it read."""
    child = cluster.start("--", "sh", "-c", "echo up; read status; exit $status")
    assert child.stdout.readline() == b"up\n"
    return child, max(job["job"] for job in cluster.jobs())


def test_after_ok_waits_for_success_and_runs(cluster):
    child, first = held_job(cluster)
    second = cluster.submit("echo second", "--after-ok", str(first))
    said = cluster.devrun("explain", str(second))
    assert said.status == 0 and f"job {first}".encode() in said.out and b"QUEUED" in said.out, said
    record = cluster.show(second)
    assert record["state"] == "QUEUED" and record["attempts"] == [] and record["after_ok"] == [first], record
    assert finish(child, b"0\n").status == 0
    record = cluster.await_end(second)
    assert record["state"] == "SUCCEEDED", record
    assert cluster.devrun("logs", str(second)).out == b"second\n"
    assert record["timeline"]["placed_us"] >= cluster.show(first)["timeline"]["ended_us"]


def test_after_ok_ends_with_the_reason_if_the_other_fails(cluster):
    child, first = held_job(cluster)
    second = cluster.submit("echo never", "--after-ok", str(first))
    third = cluster.submit("echo never", "--after-ok", str(second))
    assert finish(child, b"3\n").status == 3
    for job, waited_for in ((second, first), (third, second)):
        record = cluster.await_end(job)
        assert record["state"] == "CANCELLED" and record["attempts"] == [], record
        assert f"job {waited_for}" in record["ending"]["reason"], record
        said = cluster.devrun("explain", str(job))
        assert f"job {waited_for}".encode() in said.out, said
        assert cluster.devrun("logs", str(job)).out == b""


def test_a_dependent_that_cannot_run_has_one_status(cluster):
    child, first = held_job(cluster)
    job = cluster.submit("echo never", "--after-ok", str(first))
    assert finish(child, b"3\n").status == 3
    shown = cluster.await_end(job)["ending"]["status"]
    waited = cluster.devrun("wait", str(job)).status
    assert shown == waited, (shown, waited)


def test_after_ok_of_what_has_failed_starts_nothing(cluster):
    failed = cluster.submit("exit 3")
    cluster.await_end(failed)
    before = len(cluster.jobs())
    done = cluster.devrun("--after-ok", str(failed), "--", "echo", "never")
    assert done.status == 125 and done.out == b"" and f"job {failed}" in done.err, done
    assert len(cluster.jobs()) == before


def test_after_ok_of_what_has_ended_well_runs_at_once(cluster):
    first = cluster.submit("true")
    cluster.await_end(first)
    done = cluster.devrun("--after-ok", str(first), "--", "echo", "now")
    assert done.status == 0 and done.out == b"now\n", done


def test_after_ok_of_several_waits_for_all(cluster):
    child, held = held_job(cluster)
    ended = cluster.submit("true")
    cluster.await_end(ended)
    job = cluster.submit("true", "--after-ok", str(ended), "--after-ok", str(held))
    assert f"job {held}".encode() in cluster.devrun("explain", str(job)).out
    assert cluster.show(job)["state"] == "QUEUED"
    assert finish(child, b"0\n").status == 0
    assert cluster.await_end(job)["state"] == "SUCCEEDED"


def test_after_ok_of_an_array_waits_for_all_its_tasks(cluster):
    array = cluster.submit("sleep 0.2", "--array", "0-3%2")
    job = cluster.submit("true", "--after-ok", str(array))
    assert cluster.await_end(job)["state"] == "SUCCEEDED"
    last = max(attempt["timeline"]["ended_us"] for attempt in cluster.show(array)["attempts"])
    assert cluster.show(job)["timeline"]["placed_us"] >= last
    bad = cluster.submit("[ $DEVRUN_TASK != 2 ]", "--array", "0-3")
    job = cluster.submit("true", "--after-ok", str(bad))
    assert cluster.await_end(job)["state"] == "CANCELLED"


def test_after_ok_of_a_job_that_is_not_there_starts_nothing(cluster):
    before = len(cluster.jobs())
    done = cluster.devrun("-d", "--after-ok", "999999", "true")
    assert done.status == 125 and "999999" in done.err and done.out == b"", done
    assert len(cluster.jobs()) == before


def test_a_dependent_can_be_cancelled_while_it_waits(cluster):
    child, first = held_job(cluster)
    second = cluster.submit("echo never", "--after-ok", str(first))
    assert cluster.devrun("cancel", str(second)).status == 0
    assert cluster.await_end(second)["state"] == "CANCELLED"
    assert finish(child, b"0\n").status == 0
    assert cluster.show(second)["attempts"] == []


def test_an_array_is_one_record_in_lists(cluster):
    job = cluster.submit("true", "--array", "0-9")
    cluster.await_end(job)
    done = cluster.devrun("ps", "-a", "--json")
    assert len([entry for entry in json.loads(done.out)["jobs"] if entry["job"] == job]) == 1


def test_an_array_is_summed_up_and_each_task_can_be_shown(cluster):
    job = cluster.submit("if [ $DEVRUN_TASK = 2 ]; then exit 3; fi; echo x > /root/x", "--array", "0-3", "--name", "sweep-x")
    cluster.await_end(job)
    shown = cluster.devrun("show", str(job)).out.decode()
    assert f"4: 3 ok, 1 failed ({job}_2)" in shown and f"\n{job}_3 " in shown, shown
    assert "took ms" not in shown, shown
    one = cluster.devrun("show", f"{job}_2").out.decode()
    assert f"{job}_2  sweep-x" in one and "status      3" in one and f"attempt {job}_1" not in one, one
    told = cluster.devrun("explain", f"{job}_1").out.decode()
    assert told.startswith(f"job {job}_1 is SUCCEEDED, status 0"), told
    assert cluster.devrun("show", f"{job}_9").status != 0
    listed = cluster.devrun("ps", "-a").out.decode()
    row = [line for line in listed.splitlines() if line.startswith(f"{job} ")][0]
    assert "sweep-x" in row and " 4/4 " in row, listed
    refused = cluster.devrun("--after-ok", str(job), "--", "true")
    assert f"devrun show {job}" in refused.err, refused


def test_the_failed_tasks_of_an_array_run_again(cluster):
    job = cluster.submit("[ $((DEVRUN_TASK % 3)) != 1 ]", "--array", "0-8", "--cpus", "0.1")
    cluster.await_end(job)
    done = cluster.devrun("rerun", "--failed", str(job), "--", "true")
    assert done.status == 0, done
    again = int(done.out)
    cluster.await_end(again)
    shown = cluster.show(again)
    assert shown["state"] == "SUCCEEDED" and shown["tasks"]["total"] == 3, shown["tasks"]
    assert sorted(attempt["task"] for attempt in shown["attempts"]) == [1, 4, 7]
    cancelled = cluster.submit("[ $DEVRUN_TASK = 0 ] || exec sleep 1000", "--array", "0-5%2")
    wait_until(lambda: tasks_of(cluster.show(cancelled)).get(0, {}).get("state") == "SUCCEEDED", "task 0 has ended")
    cluster.devrun("cancel", str(cancelled))
    cluster.await_end(cancelled)
    rest = int(cluster.devrun("rerun", "--failed", str(cancelled), "--", "true").out)
    assert cluster.await_end(rest)["tasks"]["total"] == 5, "what was never placed is among them"
    done = cluster.devrun("rerun", "--failed", str(again))
    assert done.status == 125 and f"no task of job {again} has failed" in done.err, done
