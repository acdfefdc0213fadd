"""Plain ssh, scp and sftp to dev containers and jobs, by the configuration that `devrun ssh-config` prints.

Here are ssh's own programs; in the volume lies no more than sshd. What they say to each other goes through devrun alone.
"""
import contextlib
import filecmp
import json
import os
import pty
import shutil
import socket
import subprocess
import threading
import time
import urllib.request

from harness import Skip, add_programs, finish, own_cluster, programs, wait_until, write
from test_gang import SSH_PASSWD
from test_shell import container, sleepers, talk_while_daemons_die
from test_users import users

PROGRAMS = ("/usr/sbin/sshd", "/usr/bin/ssh", "/usr/bin/scp", "/usr/bin/sftp")
LIMIT_S = 60


def put_sshd(root):
    for program in PROGRAMS:
        if not os.path.exists(program):
            raise Skip(f"NOT TESTED: {program} is not installed here")
    add_programs(root, "/usr/sbin/sshd")
    with open(os.path.join(root, "etc/passwd"), "r+", encoding="ascii") as file:
        if "sshd:" not in file.read():
            file.write(SSH_PASSWD)


class Ssh:
    """ssh as somebody calls it who has `devrun ssh-config > FILE`."""

    def __init__(self, cluster, env=None, *options):
        self.env = env or cluster.environment()
        done = cluster.devrun("ssh-config", *options, env=self.env)
        assert done.status == 0, done
        self.text = done.out.decode()
        self.config = os.path.join(self.env["HOME"], "ssh.conf")
        write(self.config, self.text)
        os.chmod(self.config, 0o600)

    def start(self, *words, program="ssh", **more):
        streams = {name: more.pop(name, subprocess.PIPE) for name in ("stdin", "stdout", "stderr")}
        return subprocess.Popen([program, "-F", self.config, *words], env=self.env, cwd="/", **streams, **more)

    def __call__(self, *words, stdin=b"", program="ssh", limit_s=LIMIT_S):
        with self.start(*words, program=program) as child:
            return finish(child, stdin, limit_s)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def connections():
    """How many containers' ends of connections there are on this machine, each with an sshd."""
    return sum(1 for _, words in programs() if words[1:3] == ["--inside", "ssh"])


def test_ssh_reaches_the_dev_container(cluster):
    put_sshd(cluster.live("/"))
    ssh = Ssh(cluster)
    done = ssh("box.devrun", "cat > /work/typed; id -un; echo err >&2; echo $DEVRUN_VOLUME; exit 7", stdin=b"by ssh\n")
    assert (done.status, done.out, done.err) == (7, b"root\nbox\n", "err\n"), done
    with open(cluster.live("work/typed"), encoding="utf-8") as file:
        assert file.read() == "by ssh\n"
    assert cluster.devrun("shell", cluster.volume, "--", "cat", "/work/typed").out == b"by ssh\n"
    done = ssh("box.devrun", "cd /work && devrun cat typed")
    assert done.status == 0 and done.out == b"by ssh\n", done
    assert ssh("box.devrun", "kill -TERM $$").status == 255, "as ssh says that a signal ended it"
    assert ssh("box.devrun", "no-such-program").status == 127
    data = os.urandom(8 << 20)
    done = ssh("box.devrun", "cat", stdin=data)
    assert done.status == 0 and done.out == data
    # Another user of the volume, with their groups; and one whom it does not have.
    done = ssh("ada@box.devrun", "id -un; id -G; echo $HOME; touch /root/x")
    assert done.out == b"ada\n1000 2000\n/home/ada\n" and done.status == 1, done
    done = ssh("eve@box.devrun", "true")
    assert done.status == 255 and "there is no user 'eve' in volume box" in done.err, done
    assert "ssh root@box.devrun" in done.err, done
    # Who leaves it open is named.
    held = ssh.start("box.devrun", "echo up; sleep 7801")
    assert held.stdout.readline() == b"up\n"
    done = cluster.devrun("shell", "--stop", cluster.volume)
    assert done.status == 125 and "root: ssh" in done.err, done
    held.kill()
    held.communicate()
    wait_until(lambda: connections() == 0, "a connection that was left ends", 20)
    assert cluster.devrun("shell", cluster.volume, "--", "sh", "-c", "ls -A /dev/shm; killall sleep").out == b""


def test_files_go_both_ways(cluster):
    put_sshd(cluster.live("/"))
    ssh = Ssh(cluster)
    folder = os.path.join(cluster.home, "files")
    os.makedirs(folder)
    big, back = os.path.join(folder, "big"), os.path.join(folder, "back")
    with open(big, "wb") as file:
        for _ in range(100):
            file.write(os.urandom(1 << 20))
    began = time.monotonic()
    done = ssh("-q", big, "box.devrun:/data/big", program="scp")
    assert done.status == 0, done
    there = time.monotonic()
    done = ssh("-q", "box.devrun:/data/big", back, program="scp")
    assert done.status == 0, done
    print(f"      scp of 100 MB: there in {there - began:.1f} s, back in {time.monotonic() - there:.1f} s", flush=True)
    assert filecmp.cmp(big, back, shallow=False), "byte for byte"
    assert filecmp.cmp(big, cluster.live("data/big"), shallow=False)
    commands = f"put {big} /work/by-sftp\nmkdir /work/folder\nrename /work/by-sftp /work/folder/x\nls /work/folder\n"
    done = ssh("-b", "-", "box.devrun", program="sftp", stdin=commands.encode())
    assert done.status == 0 and b"/work/folder/x" in done.out, done
    assert os.path.getsize(cluster.live("work/folder/x")) == 100 << 20
    os.remove(cluster.live("work/folder/x"))
    os.remove(cluster.live("data/big"))
    if not shutil.which("rsync"):
        raise Skip("NOT TESTED: rsync is not installed here")
    add_programs(cluster.live("/"), "/usr/bin/rsync")
    os.remove(big)
    write(os.path.join(folder, "small"), "small\n")
    done = subprocess.run(["rsync", "-a", "--delete", "-e", f"ssh -F {ssh.config}", folder + "/", "box.devrun:/work/synced"],
                          env=ssh.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 0, done
    assert filecmp.cmp(back, cluster.live("work/synced/back"), shallow=False)
    assert sorted(os.listdir(cluster.live("work/synced"))) == ["back", "small"]
    shutil.rmtree(folder)


def test_ports_go_through(cluster):
    put_sshd(cluster.live("/"))
    write(cluster.live("work/page"), "one\n")
    ssh = Ssh(cluster)
    there, here = free_port(), free_port()
    assert ssh("box.devrun", f"cd /work && httpd -p 127.0.0.1:{there} && echo listens").out == b"listens\n"
    tunnel = ssh.start("-N", "-L", f"{here}:127.0.0.1:{there}", "box.devrun")
    try:
        def page():
            with contextlib.suppress(OSError):
                with urllib.request.urlopen(f"http://127.0.0.1:{here}/page", timeout=10) as answer:
                    return answer.read()
            return None
        assert wait_until(page, "an answer") == b"one\n"
        assert [page() for _ in range(10)] == [b"one\n"] * 10
    finally:
        tunnel.terminate()
        tunnel.communicate()
        cluster.devrun("shell", cluster.volume, "--", "killall", "httpd")


def test_a_terminal_and_its_size(cluster):
    import fcntl
    import struct
    import termios
    put_sshd(cluster.live("/"))
    ssh = Ssh(cluster)
    master, slave = pty.openpty()

    def resize(rows, columns):
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    resize(31, 97)
    seen = bytearray()
    child = ssh.start("-tt", "box.devrun", stdin=slave, stdout=slave, stderr=slave,
                      preexec_fn=lambda: (os.setsid(), fcntl.ioctl(0, termios.TIOCSCTTY, 0)))
    os.close(slave)

    def read():
        with contextlib.suppress(OSError):
            while data := os.read(master, 4096):
                seen.extend(data)
    reader = threading.Thread(target=read)
    reader.start()

    def ask(command, answer):
        last = 0.0

        def answered():
            nonlocal last
            if time.monotonic() - last > 2:
                last = time.monotonic()
                os.write(master, command.encode() + b"\r")
            return answer.encode() in seen
        wait_until(answered, f"{answer!r} in {bytes(seen)!r}")
    try:
        ask("stty size", "31 97")
        resize(40, 100)
        ask("stty size", "40 100")
        ask("tty; echo $((6*7))", "/dev/pts/")
        os.write(master, b"sleep 7802\r")
        wait_until(lambda: sleepers(7802) == 1, "a program in the foreground")
        os.write(master, b"\x03")
        wait_until(lambda: sleepers(7802) == 0, "Ctrl-C has ended it")
        os.write(master, b"exit 5\r")
        assert child.wait(20) == 5, bytes(seen)
    finally:
        child.kill()
        child.wait()
        os.close(master)
        reader.join(10)


def test_many_sessions_share_one_connection(cluster):
    put_sshd(cluster.live("/"))
    ssh = Ssh(cluster)
    control = ["-o", "ControlPath=" + os.path.join(cluster.home, "cm.sock")]
    master = ssh.start(*control, "-M", "-N", "box.devrun")
    try:
        wait_until(lambda: ssh(*control, "-O", "check", "box.devrun").status == 0, "the connection")
        children = [ssh.start(*control, "box.devrun", f"cat; exit {number}") for number in range(12)]
        done = [finish(child, b"x%d" % number * 100_000) for number, child in enumerate(children)]
        assert [one.status for one in done] == list(range(12)), done
        assert all(one.out == b"x%d" % number * 100_000 for number, one in enumerate(done))
        assert connections() == 1
        assert ssh(*control, "-O", "exit", "box.devrun").status == 0
    finally:
        master.terminate()
        master.communicate()
    wait_until(lambda: connections() == 0, "its end", 20)


def test_ssh_reaches_jobs_tasks_and_ranks(cluster):
    put_sshd(cluster.live("/"))
    ssh = Ssh(cluster)
    job = cluster.submit("sleep 7803", "-C", "/work", "-e", "GREETING=hi there")
    cluster.await_state(job, "RUNNING")
    done = ssh(f"{job}.devrun", "echo $GREETING $DEVRUN_JOB_ID; pwd; ps; echo new > /tmp/x; exit 4")
    assert done.status == 4 and done.out.startswith(b"hi there %d\n/root\n" % job) and b"sleep 7803" in done.out, done
    assert cluster.devrun("exec", str(job), "cat", "/tmp/x").out == b"new\n", "the very same container"
    done = ssh("-q", f"{job}.devrun:/data/blob", os.path.join(cluster.home, "blob"), program="scp")
    assert done.status == 0, done
    with open(os.path.join(cluster.home, "blob"), "rb") as file:
        assert file.read() == cluster.blob

    # Ended while somebody is there, and afterwards.
    held = ssh.start(f"{job}.devrun", "echo up; sleep 7804")
    assert held.stdout.readline() == b"up\n"
    assert cluster.devrun("cancel", str(job)).status == 0
    done = finish(held)
    assert done.status == 255 and f"job {job} has ended CANCELLED, and the connection with it" in done.err, done
    done = ssh(f"{job}.devrun", "true")
    assert done.status == 255 and f"job {job} has ended CANCELLED, so nothing can be run in it" in done.err, done
    done = ssh("999999.devrun", "true")
    assert done.status == 255 and "999999" in done.err and "Try:" in done.err, done

    # A user who is not root is themselves alone.
    done = cluster.devrun("shell", cluster.volume, "--", "su", "ada", "-c",
                          "cd /home/ada && devrun -d -- sh -c 'sleep 7805'")
    assert done.status == 0, done
    job = int(done.out)
    cluster.await_state(job, "RUNNING")
    done = ssh(f"ada@{job}.devrun", "id -un; tty")
    assert done.out.startswith(b"ada\n"), done
    assert b"/dev/pts/" in ssh("-tt", f"ada@{job}.devrun", "tty").out, "and has a terminal"
    done = ssh(f"{job}.devrun", "id -un")
    assert done.status == 255 and "runs as ada" in done.err and f"ssh ada@{job}.devrun" in done.err, done
    cluster.devrun("cancel", str(job))
    cluster.await_end(job)

    done = cluster.devrun("-d", "--array", "0-1", "--", "sleep", "7806")
    job = int(done.out)
    wait_until(lambda: sleepers(7806) == 2, "its tasks")
    assert ssh(f"{job}_1.devrun", "echo $DEVRUN_TASK").out == b"1\n"
    done = ssh(f"{job}.devrun", "true")
    assert done.status == 255 and f"{job}_0" in done.err, done
    cluster.devrun("cancel", str(job))
    cluster.await_end(job)

    done = cluster.devrun("-d", "--nodes", "2", "--", "sleep", "7807")
    job = int(done.out)
    wait_until(lambda: sleepers(7807) == 2, "its ranks")
    assert [ssh(f"{name}.devrun", "echo $DEVRUN_RANK").out for name in (job, f"{job}.1")] == [b"0\n", b"1\n"]
    done = ssh(f"{job}.2.devrun", "true")
    assert done.status == 255 and "rank 2" in done.err, done


def test_a_volume_without_sshd_says_what_to_do(cluster):
    ssh = Ssh(cluster)
    root = os.path.join(cluster.home, "plain-root")
    os.makedirs(os.path.join(root, "etc"))
    os.makedirs(os.path.join(root, "usr/bin"))
    write(os.path.join(root, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n")
    write(os.path.join(root, "usr/bin/apt-get"), "#!/bin/sh\n")
    os.chmod(os.path.join(root, "usr/bin/apt-get"), 0o755)
    assert cluster.devrun("volume", "create", "plain", "--from-dir", root).status == 0
    try:
        done = ssh("plain.devrun", "true")
        assert done.status == 255 and "volume plain has no sshd" in done.err, done
        assert "devrun shell plain -- sh -c 'apt-get update && apt-get install -y openssh-server'" in done.err, done
        # There, but the account is locked, or the package was copied by half.
        put_sshd(cluster.live("/", "plain"))
        write(cluster.live("etc/shadow", "plain"), "root:!x::0:99999:7:::\n")
        done = ssh("plain.devrun", "true")
        assert done.status == 255 and "locked" in done.err and "usermod -p '*' root" in done.err, done
        os.remove(cluster.live("etc/shadow", "plain"))
        write(cluster.live("etc/passwd", "plain"), "root:x:0:0:root:/root:/bin/sh\n")
        done = ssh("plain.devrun", "true")
        assert done.status == 255 and "no user 'sshd'" in done.err, done
    finally:
        cluster.devrun("shell", "--stop", "--yes", "plain")
        cluster.devrun("volume", "rm", "--yes", "plain")
    done = ssh("nothing-such.devrun", "true")
    assert done.status == 255 and "nothing-such" in done.err and "devrun: " in done.err, done


def test_the_host_is_known_and_no_other_is_believed(cluster):
    put_sshd(cluster.live("/"))
    ssh = Ssh(cluster)
    keys = os.path.join(cluster.home, ".config/devrun/ssh")
    assert os.stat(keys).st_mode & 0o777 == 0o700
    for name in ("secret", "id_ed25519"):
        assert os.stat(os.path.join(keys, name)).st_mode & 0o777 == 0o600
    assert Ssh(cluster).text == ssh.text, "made once"
    other = os.path.join(cluster.home, "other_hosts")
    with open(os.path.join(keys, "id_ed25519.pub"), encoding="ascii") as file:
        write(other, "*.devrun " + file.read())
    done = ssh("-o", f"UserKnownHostsFile={other}", "box.devrun", "echo in")
    assert done.status == 255 and b"in" not in done.out and "Host key verification failed" in done.err, done
    # Nor is another user's key let in.
    stranger = os.path.join(cluster.home, "stranger")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", stranger], check=True)
    text = "\n".join(line for line in ssh.text.split("\n") if "IdentityFile" not in line)
    write(os.path.join(cluster.home, "stranger.conf"), text)
    done = ssh("-F", os.path.join(cluster.home, "stranger.conf"), "-i", stranger, "box.devrun", "echo in")
    assert done.status == 255 and "Permission denied" in done.err, done


def test_the_configuration_is_written_when_asked(cluster):
    put_sshd(cluster.live("/"))
    home = os.path.join(cluster.home, "somebody")
    os.makedirs(os.path.join(home, "dotfiles"))
    os.makedirs(os.path.join(home, ".ssh"), mode=0o700)
    own = os.path.join(home, "dotfiles/ssh")
    write(own, "Host old\n  User me\n")
    config = os.path.join(home, ".ssh/config")
    os.symlink(own, config)
    env = cluster.environment(HOME=home)
    done = cluster.devrun("ssh-config", "--write", env=env)
    assert done.status == 125 and "does not include it" in done.err and "--yes" in done.err, done
    with open(own, encoding="ascii") as file:
        assert file.read() == "Host old\n  User me\n", "not touched without a yes"
    done = cluster.devrun("ssh-config", "--write", "--yes", env=env)
    assert done.status == 0 and "is now `Include" in done.err, done
    with open(own, encoding="ascii") as file:
        assert file.read() == f"Include {home}/.ssh/devrun.conf\nHost old\n  User me\n"
    assert os.path.islink(config)
    done = cluster.devrun("ssh-config", "--write", env=env)
    assert done.status == 0 and "includes it already" in done.err, done
    done = subprocess.run(["ssh", "-F", config, "box.devrun", "echo in"], env=env, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    assert done.stdout == b"in\n", done
    done = subprocess.run(["ssh", "-F", config, "-G", "old"], env=env, stdout=subprocess.PIPE, check=True)
    assert b"user me\n" in done.stdout and b"ssh-proxy" not in done.stdout, done


def test_nobody_else_comes_in(cluster):
    with users(cluster, "ada", "bob") as (ada, bob):
        ada.make_volume("adas", {"secret": "hers"})
        put_sshd(cluster.live("/", "adas"))
        job = ada.submit("adas", "exec sleep 1000")
        ada.await_state(job, "RUNNING")
        hers, his = Ssh(cluster, ada.env), Ssh(cluster, bob.env)
        assert "adas.devrun" in hers.text and "adas" not in his.text
        assert hers("root@adas.devrun", "cat /secret").out == b"hers"
        assert hers(f"root@{job}.devrun", "cat /secret").out == b"hers"
        for host in ("adas.devrun", f"{job}.devrun"):
            done = his(f"root@{host}", "cat /secret")
            assert done.status == 255 and b"hers" not in done.out and "devrun: " in done.err, done
        # A share, even for writing, is none of the dev container.
        assert ada.devrun("volume", "share", "adas", "bob", "--write").status == 0
        done = his("root@adas.devrun", "cat /secret")
        assert done.status == 255 and "dev container of volume 'adas' is for 'ada'" in done.err, done
        # Nor does her key, in his hands, open anything.
        done = his("-o", f"IdentityFile={ada.home}/.config/devrun/ssh/id_ed25519", "root@adas.devrun", "cat /secret")
        assert done.status == 255 and b"hers" not in done.out, done
        with open(os.path.join(cluster.folder, "controller/audit.jsonl"), encoding="utf-8") as file:
            said = [json.loads(line) for line in file]
        assert any(line["who"] == "ada" and line["call"] == "Exec" and line["result"] == "ok" for line in said)
        assert "PRIVATE KEY" not in json.dumps(said)


@own_cluster(1)
def test_a_connection_outlives_the_daemons_and_ends_with_its_container(cluster):
    put_sshd(cluster.live("/"))
    ssh = Ssh(cluster)
    child = ssh.start("box.devrun", "for i in 1 2 3; do read line; echo $i:$line; done; sleep 7808")
    talk_while_daemons_die(cluster, child)
    job = container(cluster)
    done = cluster.devrun("shell", "--stop", "--yes", cluster.volume)
    assert done.status == 0, done
    done = finish(child)
    assert done.status == 255 and "the dev container of volume box has ended" in done.err, done
    # The next one starts another.
    assert ssh("box.devrun", "echo again").out == b"again\n"
    assert container(cluster) != job
    # A caller that was killed without a word.
    child = ssh.start("box.devrun", "echo up; sleep 7809")
    assert child.stdout.readline() == b"up\n"
    child.kill()
    child.communicate()
    wait_until(lambda: connections() == 0, "nobody came back", 60)
