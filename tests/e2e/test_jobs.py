"""Jobs are listed, shown, logged and cancelled."""
import json

from harness import finish


def test_d_prints_the_id_alone(cluster):
    done = cluster.devrun("-d", "true")
    assert done.status == 0 and done.out.strip().isdigit() and done.out.count(b"\n") == 1, done


def test_the_log_of_a_finished_job_can_be_read(cluster):
    job = cluster.submit("echo out; echo err >&2; exit 4")
    record = cluster.await_end(job)
    assert record["state"] == "FAILED" and record["ending"]["status"] == 4, record
    done = cluster.devrun("logs", str(job))
    assert done.out == b"out\n" and "err\n" in done.err, done
    assert cluster.devrun("logs", "--stdout", str(job)).out == b"out\n"


def test_logs_can_be_followed_to_the_end(cluster):
    job = cluster.submit("for i in 1 2 3; do echo $i; sleep 0.3; done")
    done = cluster.devrun("logs", "-f", str(job))
    assert done.status == 0 and done.out == b"1\n2\n3\n", done


def test_the_tail_of_a_log(cluster):
    job = cluster.submit("seq 1 1000")
    cluster.await_end(job)
    assert cluster.devrun("logs", "--tail", "2", str(job)).out == b"999\n1000\n"


def test_cancelling_is_130(cluster):
    child = cluster.start("--", "sh", "-c", "echo up; exec sleep 1000")
    assert child.stdout.readline() == b"up\n"
    job = [job["job"] for job in cluster.jobs() if job["state"] == "RUNNING"][-1]
    assert cluster.devrun("cancel", str(job)).status == 0
    done = finish(child)
    assert done.status == 130, done
    assert cluster.show(job)["state"] == "CANCELLED"


def test_a_waiting_job_can_be_cancelled(cluster):
    with cluster.filled():
        job = cluster.submit("echo never", "--cpus", "1")
        assert cluster.devrun("cancel", str(job)).status == 0
        assert cluster.await_end(job)["state"] == "CANCELLED"
    assert cluster.devrun("logs", str(job)).out == b""


def test_wait_gives_the_first_failures_status(cluster):
    good = cluster.submit("true")
    bad = cluster.submit("exit 9")
    done = cluster.devrun("wait", str(good), str(bad))
    assert done.status == 9, done


def test_ps_and_show_tell_the_same_story(cluster):
    job = cluster.submit("echo hello", "--name", "greeting")
    cluster.await_end(job)
    listed = [entry for entry in cluster.jobs() if entry["job"] == job]
    assert len(listed) == 1 and listed[0]["name"] == "greeting", listed
    shown = cluster.show(job)
    assert shown["state"] == listed[0]["state"] == "SUCCEEDED"
    assert shown["argv"] == ["sh", "-c", "echo hello"], shown
    attempt = shown["attempts"][-1]
    assert attempt["node"].startswith("node") and attempt["output_bytes"] > 0, attempt
    text = cluster.devrun("ps", "-a").out.decode()
    assert f"\n{job} " in text and "echo hello" in text and "SUCCEEDED" in text, text
    assert "greeting" in cluster.devrun("show", str(job)).out.decode()


def test_the_timeline_is_complete_and_in_order(cluster):
    job = cluster.submit("echo x")
    record = cluster.await_end(job)
    times = {**record["timeline"], **record["attempts"][-1]["timeline"]}
    names = ["submitted_us", "snapshot_taken_us", "journaled_us", "placed_us", "agent_received_us", "mounted_us",
             "started_us", "first_byte_us", "ended_us"]
    values = [times[name] for name in names]
    assert values == sorted(values), times


def test_json_is_one_record(cluster):
    for words in (("ps", "--json"), ("nodes", "--json"), ("volume", "ls", "--json")):
        done = cluster.devrun(*words)
        assert done.status == 0, done
        json.loads(done.out)


def test_nodes_lists_all(cluster):
    done = cluster.devrun("nodes")
    assert done.status == 0, done
    for node in ("node1", "node2", "node3"):
        assert node.encode() in done.out, done


def test_many_jobs_at_once_end_well(cluster):
    jobs = [cluster.submit(f"exit {number % 3}") for number in range(12)]
    for number, job in enumerate(jobs):
        assert cluster.await_end(job, limit_s=60)["ending"]["status"] == number % 3


def test_two_hundred_at_once_from_one_dev_container(cluster):
    script = ("i=0; while [ $i -lt 200 ]; do (devrun -q --cpus 0.1 -- sh -c \"exit $((i % 3))\" < /dev/null; echo $?) & "
              "i=$((i+1)); done; wait")
    done = cluster.devrun("shell", cluster.volume, "--", "sh", "-c", script, limit_s=150)
    ended = sorted(done.out.split())
    assert ended == [b"0"] * 67 + [b"1"] * 67 + [b"2"] * 66, (ended, done.err[-2000:])


def test_help_and_version_need_no_cluster(cluster):
    nowhere = cluster.environment(DEVRUN_CONFIG="/nonexistent")
    assert cluster.devrun("--version", env=nowhere).out.startswith(b"devrun ")
    done = cluster.devrun("help", env=nowhere)
    assert done.status == 0 and b"volume" in done.out, done
