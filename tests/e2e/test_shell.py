"""The dev container: the live volume, entered, left and joined; sessions of it and of other jobs."""
import contextlib
import glob
import os
import pty
import signal
import subprocess
import threading
import time

from harness import finish, own_cluster, programs, wait_until


class Terminal:
    """`devrun WORDS…` in a terminal of its own; what it shows is read all the time."""

    def __init__(self, cluster, *words, rows=24, columns=80):
        self.master, slave = pty.openpty()
        self.resize(rows, columns)
        self.child = subprocess.Popen([os.path.join(cluster.bin, "devrun"), *words], stdin=slave, stdout=slave,
                                      stderr=slave, cwd="/", env=cluster.environment(TERM="xterm"),
                                      preexec_fn=self.take_terminal)
        os.close(slave)
        self.seen = b""
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    @staticmethod
    def take_terminal():
        import fcntl
        import termios
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def resize(self, rows, columns):
        import fcntl
        import struct
        import termios
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self):
        with contextlib.suppress(OSError):  # EIO: nobody has it open any more
            while data := os.read(self.master, 4096):
                self.seen += data

    def type(self, text):
        os.write(self.master, text.encode())

    def await_text(self, text):
        wait_until(lambda: text.encode() in self.seen, f"{text!r} in {self.seen!r}")

    def ask(self, command, answer):
        """Types a command until its answer has come: what is typed while a program starts may be thrown away."""
        last = 0.0
        deadline = time.monotonic() + 20
        while answer.encode() not in self.seen:
            assert time.monotonic() < deadline, f"no {answer!r} in {self.seen!r}"
            if time.monotonic() - last > 2:
                last = time.monotonic()
                self.type(command + "\r")
            time.sleep(0.01)

    def end(self, limit_s=20):
        try:
            return self.child.wait(limit_s)
        finally:
            self.child.kill()
            self.child.wait()
            self.reader.join(10)
            os.close(self.master)


def sleepers(seconds):
    """How many `sleep SECONDS` there are on this machine."""
    return sum(1 for _, words in programs() if words[-3:] == ["sleep", str(seconds), ""])


def container(cluster):
    """The job of the dev container that lives."""
    found = [job for job in cluster.jobs() if job["state"] == "RUNNING" and job["name"] == "shell"]
    assert len(found) == 1, found
    return found[0]["job"]


def test_a_shell_sees_and_writes_the_live_volume(cluster):
    done = cluster.devrun("shell", cluster.volume, "--", "sh", "-c", "cat > /work/typed; cat /work/typed",
                          stdin=b"by hand\n")
    assert done.status == 0 and done.out == b"by hand\n", done
    with open(cluster.live("work/typed"), encoding="utf-8") as file:
        assert file.read() == "by hand\n"
    assert cluster.devrun("cat", "/work/typed").out == b"by hand\n"


def test_devrun_inside_needs_no_flag_and_no_key(cluster):
    done = cluster.devrun("shell", cluster.volume, "--", "sh", "-c",
                          "cd /work && echo inside > note && devrun cat note && devrun pwd")
    assert done.status == 0 and done.out == b"inside\n/work\n", done
    done = cluster.devrun("shell", cluster.volume, "--", "devrun", "sh", "-c", "exit 21")
    assert done.status == 21, done


def test_an_edit_inside_is_seen_by_the_next_run_inside(cluster):
    script = "cd /work; for i in 1 2 3; do echo $i > n; devrun cat n; done"
    done = cluster.devrun("shell", cluster.volume, "--", "sh", "-c", script)
    assert done.out == b"1\n2\n3\n", done


def test_devrun_inside_a_job_runs_in_that_jobs_tree(cluster):
    done = cluster.sh("devrun cat /work/twin1 | wc -l", "--cpus", "1")
    assert done.status == 0 and done.out.strip() == b"300", done


def test_the_second_shell_joins_the_first(cluster):
    first = cluster.start("shell", cluster.volume, "--", "sh", "-c",
                          "echo mine > /tmp/note; hostname; read line; echo $line")
    host = first.stdout.readline()
    second = cluster.devrun("shell", cluster.volume, "--", "sh", "-c", "cat /tmp/note; hostname; ps -o args")
    assert second.out.startswith(b"mine\n" + host) and b"read line" in second.out, second
    assert b"/run/devrun/init" in second.out, "process 1 is ours"
    container(cluster)
    done = finish(first, b"still here\n")
    assert done.status == 0 and done.out == b"still here\n", done
    third = cluster.devrun("shell", cluster.volume, "--", "cat", "/tmp/note")
    assert third.out == b"mine\n", "the container lives on: " + repr(third)


def test_first_shells_that_race_get_one_container(cluster):
    children = [cluster.start("shell", cluster.volume, "--", "sh", "-c", "read _ < /proc/sys/kernel/random/boot_id; "
                              "readlink /proc/self/ns/pid") for _ in range(8)]
    done = [finish(child) for child in children]
    assert all(one.status == 0 for one in done), done
    assert len({one.out for one in done}) == 1, done
    container(cluster)


def test_statuses_and_streams_of_a_session(cluster):
    def shell(*words, **more):
        return cluster.devrun("shell", cluster.volume, "--", *words, **more)

    done = shell("sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.status, done.out, done.err) == (7, b"out\n", "err\n"), done
    assert shell("sh", "-c", "kill -TERM $$").status == 143
    done = shell("sh", "-c", "kill -KILL $$")
    assert done.status == 137 and "killed by signal 9" in done.err, done
    began = time.monotonic()
    assert shell("sh", "-c", "exit 125").status == 125
    assert time.monotonic() - began < 2, "a program's own status, devrun's inside too, is not waited upon"
    done = shell("no-such-program")
    assert done.status == 127 and "no-such-program: command not found" in done.err, done
    assert shell("/work/not-executable").status == 126
    done = cluster.devrun("shell", "-C", "/nowhere", cluster.volume, "--", "true")
    assert done.status == 125 and "cannot enter /nowhere" in done.err, done
    data = os.urandom(8 << 20)
    done = shell("cat", stdin=data)
    assert done.status == 0 and done.out == data
    assert shell("sh", "-c", "exec <&-; exit 4", stdin=data).status == 4, "nobody reads it"


def test_a_user_is_themselves_inside(cluster):
    """Asked from inside, as the only way to be another user than the volume's root."""
    cluster.devrun("shell", cluster.volume, "--", "chown", "1000:1000", "/home/ada")
    script = "devrun shell -C /home/ada -- sh -c 'id -u; id -g; id -G; touch mine && stat -c %u mine; cat /proc/1/environ'"
    done = cluster.devrun("shell", cluster.volume, "--", "su", "ada", "-c", script)
    assert done.out == b"1000\n1000\n1000 2000\n1000\n", done
    assert done.status != 0 and "Permission denied" in done.err, "process 1 is root's: " + repr(done)


def test_a_terminal_inside(cluster):
    shell = Terminal(cluster, "shell", cluster.volume, rows=31, columns=97)
    try:
        shell.ask("stty size", "31 97")
        shell.resize(40, 100)
        os.kill(shell.child.pid, signal.SIGWINCH)
        shell.ask("stty size", "40 100")
        shell.ask("tty; id -u", "/dev/pts/")
        shell.ask("sleep 7781 & echo started", "started\r\n")
        wait_until(lambda: sleepers(7781) == 1, "a background job")
        shell.type("sleep 7782\r")
        wait_until(lambda: sleepers(7782) == 1, "a program in the foreground")
        shell.type("\x03")
        wait_until(lambda: sleepers(7782) == 0, "Ctrl-C has ended it")
        shell.ask("echo go$((1+1))on", "go2on")
        assert sleepers(7781) == 1, "Ctrl-C is not for the background"
        shell.type("exit 5\r")
    finally:
        status = shell.end()
    assert status == 5, (status, shell.seen)
    assert cluster.devrun("shell", cluster.volume, "--", "killall", "sleep").status == 0, "jobs live on in the container"


def test_a_closed_terminal_hangs_its_session_up(cluster):
    shell = Terminal(cluster, "shell", cluster.volume)
    try:
        shell.ask("echo up$((1+1))", "up2")
        shell.type("trap '' HUP; sleep 7783\r")
        wait_until(lambda: sleepers(7783) == 1, "a program that ignores HUP")
        os.kill(shell.child.pid, signal.SIGHUP)
    finally:
        status = shell.end()
    assert status == 0, (status, shell.seen)
    wait_until(lambda: sleepers(7783) == 0, "it was killed after the grace", 15)
    container(cluster)


def test_an_output_that_nobody_reads_ends_the_session(cluster):
    child = cluster.start("shell", cluster.volume, "--", "sh", "-c", "while echo 7784; do :; done; sleep 7784")
    assert child.stdout.readline() == b"7784\n"
    child.stdout.close()
    assert child.wait(20) == 141
    child.stdin.close()
    child.stderr.close()
    wait_until(lambda: not any("7784" in " ".join(words) for _, words in programs()), "the session ended", 15)


def test_output_that_is_not_read_stays_bounded(cluster):
    child = cluster.start("shell", cluster.volume, "--", "head", "-c", "300000000", "/dev/zero")

    def kept():
        logs = glob.glob(os.path.join(cluster.folder, "nodes/storage/attempts/*/exec.*/output"))
        return max((os.stat(log).st_blocks * 512 for log in logs), default=0)

    wait_until(lambda: kept() > 60 << 20, "it has written what it may")
    seen = []

    def stands():
        seen.append(kept())
        return len(seen) > 30 and seen[-1] == seen[-30]

    wait_until(stands, "it writes no more, since nobody reads")
    got, most = 0, seen[-1]
    while data := child.stdout.read(1 << 20):
        got += len(data)
        most = max(most, kept())
    assert finish(child).status == 0 and got == 300000000
    assert most < 100 << 20, f"{most} bytes on disk"


def test_two_interrupts_without_a_terminal_leave(cluster):
    child = cluster.start("shell", cluster.volume, "--", "sh", "-c", "trap 'echo caught' INT; echo up; "
                          "while :; do sleep 0.1; done")
    assert child.stdout.readline() == b"up\n"
    child.send_signal(signal.SIGINT)
    assert child.stdout.readline() == b"caught\n"
    child.send_signal(signal.SIGINT)
    assert finish(child).status == 130


def test_the_container_can_be_stopped(cluster):
    first = cluster.start("shell", cluster.volume, "--", "sh", "-c", "echo up; sleep 7785")
    assert first.stdout.readline() == b"up\n"
    done = cluster.devrun("shell", "--stop", cluster.volume)
    assert done.status == 125 and "is in use" in done.err and "sleep 7785" in done.err and "--yes" in done.err, done
    job = container(cluster)
    done = cluster.devrun("shell", "--stop", "--yes", cluster.volume)
    assert done.status == 0 and f"job {job}, has ended" in done.err, done
    assert finish(first).status in (137, 143), "the session ended with it"
    wait_until(lambda: sleepers(7785) == 0, "nothing of it runs")
    assert cluster.show(job)["state"] == "CANCELLED"
    done = cluster.devrun("shell", "--stop", cluster.volume)
    assert done.status == 0 and "has no dev container" in done.err, done
    done = cluster.devrun("shell", cluster.volume, "--", "ls", "/tmp")
    assert done.status == 0 and done.out == b"", "another one"


def test_a_volume_with_a_dev_container_is_not_removed(cluster):
    assert cluster.devrun("volume", "create", "used", "--from-dir", cluster.root).status == 0
    assert cluster.devrun("shell", "used", "--", "true").status == 0
    job = max(one["job"] for one in cluster.jobs() if one["state"] == "RUNNING")
    done = cluster.devrun("exec", str(job), "true")
    assert done.status == 125 and f"job {job} is the dev container of volume 'used'" in done.err, done
    assert "devrun shell used -- CMD" in done.err, done
    done = cluster.devrun("volume", "rm", "--yes", "used")
    assert done.status == 125 and "devrun shell --stop used" in done.err, done
    assert cluster.devrun("shell", "--stop", "used").status == 0
    assert cluster.devrun("volume", "rm", "--yes", "used").status == 0


def test_no_key_lies_in_the_container(cluster):
    done = cluster.devrun("shell", cluster.volume, "--", "sh", "-c", "ls /var/lib/devrun /root/.config; env")
    assert b".key" not in done.out and cluster.folder.encode() not in done.out, done
    assert not os.path.exists(cluster.live("root/.config/devrun"))


def test_exec_in_a_job(cluster):
    job = cluster.submit("echo here > /tmp/mine; cd /data; export LATE=1; sleep 7786", "-C", "/work", "-e", "GREETING=hi")
    cluster.await_state(job, "RUNNING")
    wait_until(lambda: sleepers(7786) == 1, "the job's program")
    done = cluster.devrun("exec", str(job), "sh", "-c", "cat /tmp/mine; pwd; echo $GREETING $DEVRUN_JOB_ID; ps; cat; exit 6",
                          stdin=b"piped\n")
    assert done.out.startswith(b"here\n/work\nhi %d\n" % job) and done.out.endswith(b"piped\n"), done
    assert done.status == 6 and b"sleep 7786" in done.out, done
    done = cluster.devrun("exec", "-C", "/", "-e", "GREETING=ho", str(job), "sh", "-c", "pwd; echo $GREETING")
    assert done.out == b"/\nho\n", done
    held = cluster.start("exec", str(job), "sh", "-c", "echo up; sleep 7787")
    assert held.stdout.readline() == b"up\n"
    cluster.devrun("cancel", str(job))
    assert finish(held).status == 137, "it ends with its job"
    cluster.await_end(job)
    done = cluster.devrun("exec", str(job), "true")
    assert done.status == 125 and "has ended CANCELLED" in done.err, done
    assert cluster.devrun("exec", "999999", "true").status == 125
    wait_until(lambda: sleepers(7787) == 0, "nothing is left")


def talk_while_daemons_die(cluster, child):
    """Three lines to a program that numbers them and says them again; agent and controller are killed in between."""
    def say(word, answer):
        child.stdin.write(word + b"\n")
        child.stdin.flush()
        assert child.stdout.readline() == answer

    say(b"a", b"1:a\n")
    cluster.kill("storage.agent")
    cluster.mend()
    say(b"b", b"2:b\n")
    cluster.kill("controller")
    cluster.mend()
    say(b"c", b"3:c\n")


@own_cluster(1)
def test_a_session_outlives_the_daemons(cluster):
    script = "for i in 1 2 3 4; do read line; echo $i:$line; done; exit 8"
    child = cluster.start("shell", cluster.volume, "--", "sh", "-c", script)
    talk_while_daemons_die(cluster, child)
    job = container(cluster)
    done = finish(child, b"d\n")
    assert done.status == 8 and done.out == b"4:d\n", done
    # A client that was killed: the session goes after a while, the container stays.
    lost = cluster.start("shell", cluster.volume, "--", "sh", "-c", "echo up; sleep 7788")
    assert lost.stdout.readline() == b"up\n"
    lost.kill()
    lost.communicate()
    wait_until(lambda: sleepers(7788) == 0, "nobody came back", 60)
    assert container(cluster) == job


def test_a_dev_container_that_cannot_start_says_why(cluster):
    root = os.path.join(cluster.home, "no-root")
    os.makedirs(root)
    with open(os.path.join(root, "proc"), "w", encoding="utf-8") as file:
        file.write("no folder")
    assert cluster.devrun("volume", "create", "no-root", "--from-dir", root).status == 0
    try:
        for _ in range(2):
            done = cluster.devrun("shell", "no-root", "--", "true", limit_s=60)
            assert done.status == 125 and "could not start" in done.err and "proc" in done.err, done
    finally:
        assert cluster.devrun("volume", "rm", "--yes", "no-root").status == 0
