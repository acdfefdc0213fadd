"""Output: kept whole and in order, cut only where it says so, begun anywhere."""
import re
import time

from harness import own_cluster, wait_until


def marks(text):
    return [line for line in text.splitlines() if line.startswith("devrun: ")]


def test_the_tail_of_a_large_log_is_found_without_reading_it_all(cluster):
    job = cluster.submit("seq 1 200000; echo error >&2; echo -n last")
    cluster.await_end(job)
    done = cluster.devrun("logs", "--tail", "3", "--stdout", str(job))
    assert done.out == b"199999\n200000\nlast", done
    done = cluster.devrun("logs", "--tail", "3", str(job))  # both streams', in the order in which they were read
    assert done.out.endswith(b"last") and len(done.out + done.err.encode()) < 30, done
    done = cluster.devrun("logs", "--tail", "0", str(job))
    assert done.out == b"" and done.status == 0, done
    done = cluster.devrun("logs", "--tail", "300000", "--stdout", str(job))
    assert done.out == b"".join(b"%d\n" % n for n in range(1, 200001)) + b"last"
    done = cluster.devrun("logs", "--tail", "1", "--stderr", str(job))
    assert done.out == b"" and done.err == "error\n", done


def test_since_is_by_the_time_of_writing(cluster):
    job = cluster.submit("echo old; while [ ! -e /tmp/go ]; do sleep 0.05; done; echo new; sleep 100")
    try:
        wait_until(lambda: cluster.devrun("logs", str(job)).out == b"old\n", "the first line")
        time.sleep(1.1)  # not a wait: what lies between the two lines is what is tested
        between = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        assert cluster.devrun("exec", str(job), "touch", "/tmp/go").status == 0
        wait_until(lambda: cluster.devrun("logs", str(job)).out == b"old\nnew\n", "the second line")
        assert cluster.devrun("logs", "--since", between, str(job)).out == b"new\n"
        assert cluster.devrun("logs", "--since", "1h", str(job)).out == b"old\nnew\n"
        assert cluster.devrun("logs", "--since", "2100-01-01", str(job)).out == b""
        done = cluster.devrun("logs", "--since", "yesterday", str(job))
        assert done.status == 2 and "neither a span" in done.err, done
    finally:
        cluster.devrun("cancel", str(job))


def test_both_streams_named_are_both_shown(cluster):
    job = cluster.submit("echo out; echo err >&2")
    cluster.await_end(job)
    for words in (("--stdout", "--stderr"), ("--stdout", "--stderr", "--tail", "5"), ()):
        done = cluster.devrun("logs", *words, str(job))
        assert done.out == b"out\n" and done.err == "err\n", done


def test_following_from_the_tail_misses_nothing(cluster):
    job = cluster.submit("for i in $(seq 1 300); do echo $i; done; while [ ! -e /tmp/go ]; do sleep 0.05; done; "
                         "seq 301 400")
    wait_until(lambda: cluster.devrun("logs", str(job)).out.endswith(b"300\n"), "the first part")
    child = cluster.start("logs", "-f", "--tail", "2", str(job))
    assert child.stdout.readline() == b"299\n" and child.stdout.readline() == b"300\n"
    assert cluster.devrun("exec", str(job), "touch", "/tmp/go").status == 0
    assert child.communicate(timeout=30)[0] == b"".join(b"%d\n" % n for n in range(301, 401))


def test_a_progress_bar_and_a_line_of_10_mb_arrive_as_they_are(cluster):
    script = "for i in 1 2 3; do printf '\\r%s%%' $i; done; echo; head -c 10000000 /dev/zero | tr '\\0' x; echo"
    done = cluster.sh(script)
    wanted = b"\r1%\r2%\r3%\n" + b"x" * 10000000 + b"\n"
    assert done.out == wanted, (len(done.out), done.err)
    job = cluster.jobs()[-1]["job"]
    assert cluster.devrun("logs", str(job)).out == wanted
    assert cluster.devrun("logs", "--tail", "1", str(job)).out == b"x" * 10000000 + b"\n"


def test_bars_of_ranks_move(cluster):
    child = cluster.start("--nodes", "2", "--", "sh", "-c", "printf '10%%\\r'; sleep 1000")
    try:
        seen = b""
        while not (b"[0] 10%\r" in seen and b"[1] 10%\r" in seen):
            data = child.stdout.read1(100)
            assert data, seen
            seen += data
    finally:
        cluster.cancel_all()
        child.communicate(timeout=30)


@own_cluster(nodes=1)
def test_output_beyond_the_limit_is_cut_with_a_mark(cluster):
    done = cluster.devrun("up", "--store", cluster.folder, "--output-max", "2M")
    assert done.status == 0, done
    total = 6_000_000
    job = cluster.submit(f"head -c {total} /dev/zero | tr '\\0' a; echo; echo the last words")
    cluster.await_end(job)
    done = cluster.devrun("logs", str(job))
    assert done.status == 0 and done.out.endswith(b"a\nthe last words\n"), (done.out[-100:], done.err)
    kept = len(done.out)
    assert (2 << 20) < kept < (3 << 20) + 100_000, kept
    cut, left_out = marks(done.err)
    assert "the output was cut here" in cut and "2.0 MB" in cut, cut
    missing = int(re.search(r"(\d+) bytes of output are left out here", left_out)[1])
    assert kept + missing == total + len("\nthe last words\n"), (kept, missing)
    # Who is attached learns that it is not whole, by the status, too.
    done = cluster.sh(f"head -c {total} /dev/zero")
    assert done.status == 123 and "not all of its output was kept" in done.err, (done.status, done.err)
    done = cluster.devrun("-q", "--", "sh", "-c", "head -c 1000000 /dev/zero")
    assert done.status == 0 and len(done.out) == 1_000_000 and done.err == "", done.err


@own_cluster(nodes=1)
def test_nothing_is_lost_while_the_controller_and_the_agent_are_away(cluster):
    job = cluster.submit("i=0; while [ ! -e /tmp/stop ]; do i=$((i+1)); echo line $i; sleep 0.002; done; echo $i")
    cluster.await_state(job, "RUNNING")
    # Unbuffered: what readline reads ahead, communicate would not give back.
    follower = cluster.start("logs", "-f", str(job), bufsize=0)
    assert follower.stdout.readline() == b"line 1\n"
    cluster.kill("controller")
    cluster.kill("node1.agent")
    before = time.monotonic()
    wait_until(lambda: time.monotonic() - before > 5, "both are away for a while")  # the job writes meanwhile
    cluster.mend()
    wait_until(lambda: cluster.devrun("exec", str(job), "touch", "/tmp/stop").status == 0 or
               cluster.show(job)["state"] != "RUNNING", "the end is asked for")
    cluster.await_end(job)
    lines = cluster.devrun("logs", str(job)).out.split(b"\n")
    count = int(lines[-2])
    assert count > 500 and lines[:-2] == [b"line %d" % n for n in range(1, count + 1)], count
    rest = follower.communicate(timeout=30)[0]
    assert (b"line 1\n" + rest).split(b"\n") == lines, "who follows has all of it, once"


def test_attach_begins_with_the_recent_output(cluster):
    job = cluster.submit("seq 1 100000; while [ ! -e /tmp/go ]; do sleep 0.05; done; echo end; exit 3")
    wait_until(lambda: cluster.devrun("logs", "--tail", "1", str(job)).out == b"100000\n", "all is written")
    recent = cluster.start("attach", "--no-stdin", str(job))
    tail = cluster.start("attach", "--no-stdin", "--tail", "2", str(job))
    whole = cluster.start("attach", "--no-stdin", "--tail", "all", str(job))
    seen = b""
    while not seen.endswith(b"99999\n100000\n"):
        data = tail.stdout.read1(1 << 16)
        assert data, seen[-100:]
        seen += data
    assert cluster.devrun("exec", str(job), "touch", "/tmp/go").status == 0
    out, err = whole.communicate(timeout=30)
    assert whole.returncode == 3 and out == b"".join(b"%d\n" % n for n in range(1, 100001)) + b"end\n", err
    out, err = recent.communicate(timeout=30)
    assert recent.returncode == 3 and out.endswith(b"99999\n100000\nend\n") and len(out) < 300_000, (len(out), err)
    assert b"of output are left out" in err, err
    out, err = tail.communicate(timeout=30)
    assert tail.returncode == 3 and out == b"end\n" and len(seen) < 140_000, (out, err, len(seen))


def test_many_watch_and_one_writes(cluster):
    job = cluster.start("--", "sh", "-c", "while read line; do echo got $line; done; echo over")
    number = wait_until(lambda: [j["job"] for j in cluster.jobs() if j["state"] == "RUNNING"], "it runs")[-1]
    watchers = [cluster.start("attach", str(number)) for _ in range(3)]
    for watcher in watchers:
        assert b"another devrun writes to job" in watcher.stderr.readline()
    job.stdin.write(b"one\n")
    job.stdin.flush()
    for watcher in watchers:
        assert watcher.stdout.readline() == b"got one\n"
    # What a watcher types goes nowhere.
    watchers[0].stdin.write(b"intruder\n")
    watchers[0].stdin.flush()
    out, _ = job.communicate(b"two\n", timeout=30)
    assert out == b"got one\ngot two\nover\n", out
    for watcher in watchers:
        assert watcher.communicate(timeout=30)[0] == b"got two\nover\n" and watcher.returncode == 0


def test_a_job_may_be_cancelled_when_its_caller_is_lost(cluster):
    done = cluster.devrun("--on-disconnect", "cancel:2s", "--", "true")
    assert done.status == 2 and "15s or more" in done.err, done
    lost = cluster.start("--on-disconnect", "cancel", "--", "sh", "-c", "echo up; exec sleep 1000")
    kept = cluster.start("--", "sh", "-c", "echo up; exec sleep 1000")
    assert lost.stdout.readline() == b"up\n" and kept.stdout.readline() == b"up\n"
    jobs = {job["job"]: job for job in cluster.jobs() if job["state"] == "RUNNING"}
    doomed = [number for number, job in jobs.items() if "disconnect_grace_us" in job]
    assert len(doomed) == 1, jobs
    for child in (lost, kept):
        child.kill()
        child.communicate()
    try:
        record = cluster.await_end(doomed[0], limit_s=60)
        assert record["state"] == "CANCELLED" and "nobody was attached" in record["ending"]["reason"], record
        others = [number for number in jobs if number not in doomed]
        assert all(cluster.show(number)["state"] == "RUNNING" for number in others)
    finally:
        cluster.cancel_all()
