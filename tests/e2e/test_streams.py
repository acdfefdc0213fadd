"""stdin, stdout and stderr are carried byte for byte, separately."""
import hashlib
import os
import signal
import subprocess
import threading

from harness import finish, wait_until


def test_stdout_and_stderr_stay_apart(cluster):
    done = cluster.sh("echo to-out; echo to-err >&2")
    assert done.status == 0, done
    assert done.out == b"to-out\n", done
    assert "to-err\n" in done.err, done


def test_bytes_of_any_value_arrive(cluster):
    every = bytes(range(256)) * 5
    done = cluster.devrun("cat", stdin=every)
    assert done.status == 0 and done.out == every, done.status


def test_output_without_a_newline_arrives(cluster):
    done = cluster.sh("printf abc")
    assert done.out == b"abc", done


def test_an_endless_writer_ends_when_the_reader_goes(cluster):
    child = cluster.start("yes")
    line = child.stdout.readline()
    child.stdout.close()
    child.stdin.close()
    assert line == b"y\n"
    status = child.wait(timeout=30)
    child.stderr.close()
    assert status in (141, 128 + signal.SIGPIPE, -signal.SIGPIPE), status


def test_endless_input_ends_when_the_job_stops_reading(cluster):
    producer = subprocess.Popen(["yes"], stdout=subprocess.PIPE)
    with subprocess.Popen([os.path.join(cluster.bin, "devrun"), "head", "-1"], stdin=producer.stdout, cwd="/",
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=cluster.environment()) as child:
        producer.stdout.close()
        out, err = child.communicate(timeout=60)
    producer.kill()
    producer.wait()
    assert child.returncode == 0 and out == b"y\n", (child.returncode, out, err)


def test_100_mb_go_through_while_a_binary_goes_to_stderr(cluster):
    size = 100 << 20
    block = os.urandom(1 << 20)
    child = cluster.start("-q", "--", "sh", "-c", "cat /data/blob >&2 & cat; wait")
    seen = {"out": hashlib.sha256(), "out_bytes": 0, "err": []}

    def feed():
        for _ in range(size // len(block)):
            child.stdin.write(block)
        child.stdin.close()

    def read_out():
        while True:
            data = child.stdout.read(1 << 20)
            if not data:
                return
            seen["out"].update(data)
            seen["out_bytes"] += len(data)

    def read_err():
        seen["err"].append(child.stderr.read())

    threads = [threading.Thread(target=part) for part in (feed, read_out, read_err)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=100)
    assert not any(thread.is_alive() for thread in threads), "stuck"
    status = child.wait(timeout=30)
    expected = hashlib.sha256()
    for _ in range(size // len(block)):
        expected.update(block)
    assert status == 0, seen["err"][0][-500:]
    assert seen["out_bytes"] == size
    assert seen["out"].digest() == expected.digest()
    assert cluster.blob in seen["err"][0], f"{len(seen['err'][0])} bytes of stderr"


def test_a_job_that_reads_nothing_does_not_hang(cluster):
    done = cluster.devrun("true", stdin=b"x" * (8 << 20))
    assert done.status == 0, done


def test_no_stdin_reads_end_of_file_at_once(cluster):
    child = cluster.start("--no-stdin", "cat")
    out = child.stdout.read()
    assert child.wait(timeout=30) == 0 and out == b""
    for pipe in (child.stdin, child.stdout, child.stderr):
        pipe.close()


def test_output_comes_while_the_job_runs(cluster):
    child = cluster.start("--", "sh", "-c", "echo first; read line; echo got $line")
    assert child.stdout.readline() == b"first\n"
    done = finish(child, b"second\n")
    assert done.status == 0 and done.out == b"got second\n", done


def test_a_terminal_is_one_when_asked_for(cluster):
    import pty
    master, slave = pty.openpty()
    child = subprocess.Popen([os.path.join(cluster.bin, "devrun"), "--", "sh", "-c",
                              "test -t 0 && test -t 1 && stty size && echo yes"], stdin=slave, stdout=slave,
                             stderr=slave, cwd="/", env=cluster.environment(TERM="xterm"), start_new_session=True)
    os.close(slave)
    output = []

    def read():
        while True:
            try:
                data = os.read(master, 4096)
            except OSError:  # EIO: the other side has closed
                return
            if not data:
                return
            output.append(data)

    reader = threading.Thread(target=read)
    reader.start()
    status = child.wait(timeout=30)
    reader.join(timeout=30)
    os.close(master)
    assert status == 0 and b"yes\r\n" in b"".join(output), (status, output)


def test_signals_reach_the_job(cluster):
    child = cluster.start("--", "sh", "-c", "trap 'echo caught; exit 5' USR1; echo ready; while :; do sleep 0.1; done")
    assert child.stdout.readline() == b"ready\n"
    child.send_signal(signal.SIGUSR1)
    done = finish(child)
    assert done.status == 5 and done.out == b"caught\n", done


def test_losing_the_cli_does_not_end_the_job(cluster):
    child = cluster.start("--", "sh", "-c", "echo up; sleep 2; exit 3")
    assert child.stdout.readline() == b"up\n"
    job = cluster.jobs()[-1]["job"]
    child.kill()
    child.wait()
    for pipe in (child.stdin, child.stdout, child.stderr):
        pipe.close()
    record = cluster.await_end(job)
    assert record["ending"]["status"] == 3, record


def test_attach_shows_all_of_the_output(cluster):
    job = cluster.submit("echo one; sleep 1; echo two; exit 6")
    cluster.await_state(job, "RUNNING")
    done = cluster.devrun("attach", str(job))
    assert done.status == 6 and done.out == b"one\ntwo\n", done
    wait_until(lambda: cluster.show(job)["state"] == "FAILED", "the end")


def first_line(child):
    return child.stdout.readline()


def test_one_writes_and_others_watch(cluster):
    script = "trap 'echo caught' TERM INT; echo up; while read -r line; do echo \"read $line\"; done; exit 4"
    writer = cluster.start("--", "sh", "-c", script)
    assert first_line(writer) == b"up\n"
    job = cluster.jobs()[-1]["job"]
    watchers = [(cluster.start("attach", str(job)), signal.SIGTERM, 143),
                (cluster.start("attach", "--no-stdin", str(job)), signal.SIGINT, 130)]
    for watcher, number, status in watchers:
        assert first_line(watcher) == b"up\n"
        watcher.send_signal(number)
        done = finish(watcher, b"from a watcher\n")
        assert done.status == status and done.out == b"", done
        assert f"stopped watching job {job}, which goes on. Try: devrun attach {job}" in done.err, done
    # `| head`: a watcher's reader goes, and the job does not.
    watcher = cluster.start("attach", "--no-stdin", str(job))
    assert first_line(watcher) == b"up\n"
    watcher.stdout.close()
    writer.stdin.write(b"one\n")
    writer.stdin.flush()
    assert first_line(writer) == b"read one\n", "and no word of what watchers did"
    assert watcher.wait(20) == 141
    for pipe in (watcher.stdin, watcher.stderr):
        pipe.close()
    # The writer is gone, however: the next to attach writes.
    writer.kill()
    writer.wait()
    for pipe in (writer.stdin, writer.stdout, writer.stderr):
        pipe.close()

    def attached_again():
        again = cluster.start("attach", str(job))
        assert first_line(again) == b"up\n" and first_line(again) == b"read one\n"
        again.send_signal(signal.SIGTERM)
        done = finish(again)
        return done if done.status != 143 else None  # the controller had not heard yet that the writer is gone
    done = wait_until(attached_again, "the next one writes")
    assert done.status == 4 and done.out == b"caught\n", done
