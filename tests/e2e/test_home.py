"""What a job writes comes home at its end, and never over an edit; what retries and dependents see."""
import contextlib
import fcntl
import os
import subprocess
import signal
import time

from harness import add_programs, own_cluster, wait_until


def said(done):
    return done.err.replace("\n", " | ")


def read(cluster, path):
    with open(cluster.live(path), encoding="utf-8") as file:
        return file.read()


def write(cluster, path, text):
    with open(cluster.live(path), "w", encoding="utf-8") as file:
        file.write(text)


def fresh(cluster, name):
    """A folder of the test's own, home since the job runs in it."""
    os.makedirs(cluster.live(f"root/home/{name}"))
    return ["-C", f"/root/home/{name}"]


def test_what_a_job_writes_is_in_the_volume(cluster):
    at = fresh(cluster, "plain")
    write(cluster, "root/home/plain/old", "old\n")
    write(cluster, "root/home/plain/gone", "gone\n")
    os.link(cluster.live("root/home/plain/old"), cluster.live("root/home/plain/old-too"))
    done = cluster.sh("echo new > new; mkdir -p d/e; echo deep > d/e/f; ln -s new link; ln new again; rm gone; "
                      "echo more >> old; chmod 751 new; dd if=/dev/zero of=sparse bs=1 count=1 seek=3000000 2>/dev/null; "
                      "mkfifo pipe; mkdir empty", *at)
    assert done.status == 0, done
    here = cluster.live("root/home/plain")
    assert sorted(os.listdir(here)) == ["again", "d", "empty", "link", "new", "old", "old-too", "pipe", "sparse"], said(done)
    assert read(cluster, "root/home/plain/d/e/f") == "deep\n"
    assert os.readlink(f"{here}/link") == "new"
    assert os.path.samefile(f"{here}/new", f"{here}/again")
    assert os.stat(f"{here}/new").st_mode & 0o7777 == 0o751
    # Written through one of its names.
    assert read(cluster, "root/home/plain/old-too") == "old\nmore\n"
    assert os.path.samefile(f"{here}/old", f"{here}/old-too")
    sparse = os.stat(f"{here}/sparse")
    assert sparse.st_size == 3_000_001 and sparse.st_blocks * 512 < 1_000_000


def test_folders_that_are_moved_and_replaced(cluster):
    at = fresh(cluster, "folders")
    for name in ("moved/a", "moved/b", "replaced/old", "deleted/x"):
        os.makedirs(os.path.dirname(cluster.live(f"root/home/folders/{name}")), exist_ok=True)
        write(cluster, f"root/home/folders/{name}", name)
    done = cluster.sh("mv moved there; echo c > there/c; rm -r replaced; mkdir replaced; echo n > replaced/new; rm -r deleted", *at)
    assert done.status == 0, done
    found = sorted(os.path.relpath(os.path.join(top, name), cluster.live("root/home/folders"))
                   for top, _, names in os.walk(cluster.live("root/home/folders")) for name in names)
    assert found == ["replaced/new", "there/a", "there/b", "there/c"], (found, said(done))


def test_an_edit_stays(cluster):
    at = fresh(cluster, "edit")
    write(cluster, "root/home/edit/file", "before\n")
    with cluster.start(*at, "--", "sh", "-c", "cat file; echo go; read line; echo job > file; echo other > other") as child:
        assert child.stdout.readline() == b"before\n" and child.stdout.readline() == b"go\n"
        write(cluster, "root/home/edit/file", "edited\n")
        out, err = child.communicate(b"\n", timeout=60)
    assert child.returncode == 0, (out, err)
    assert read(cluster, "root/home/edit/file") == "edited\n"
    assert read(cluster, "root/home/edit/other") == "other\n"
    assert b"/root/home/edit/file" in err and b"devrun apply" in err, err


def test_what_lies_outside_of_home_stays_in_the_change_set(cluster):
    at = fresh(cluster, "outside")
    done = cluster.sh("echo x > /usr/bin/thing; echo y > here; mkdir .git; echo g > .git/HEAD", *at)
    assert done.status == 0, done
    assert os.listdir(cluster.live("root/home/outside")) == ["here"]
    assert not os.path.exists(cluster.live("usr/bin/thing"))


def test_jobs_that_fail_or_are_cancelled_bring_home_too(cluster):
    at = fresh(cluster, "failed")
    assert cluster.sh("echo f > f; exit 3", *at).status == 3
    assert read(cluster, "root/home/failed/f") == "f\n"
    job = cluster.submit("echo c > c; exec sleep 1000", *at)
    cluster.await_state(job, "RUNNING")
    wait_until(lambda: os.path.exists(cluster.live("root/home/failed/c")), "it comes while the job runs")
    cluster.devrun("cancel", str(job))
    cluster.await_end(job)
    assert read(cluster, "root/home/failed/c") == "c\n"


def test_two_jobs_that_write_one_name(cluster):
    at = fresh(cluster, "two")
    jobs = [cluster.submit(f"sleep 0.3; echo {name} > result", *at) for name in ("one", "other")]
    for job in jobs:
        assert cluster.await_end(job)["state"] == "SUCCEEDED"
    assert read(cluster, "root/home/two/result") in ("one\n", "other\n")
    conflicts = [cluster.show(job)["attempts"][0]["wrote"]["home"]["conflicts"] for job in jobs]
    assert sorted(conflicts) == [0, 1], conflicts


def test_a_dependent_sees_what_it_waited_for(cluster):
    at = fresh(cluster, "after")
    write(cluster, "root/home/after/mine", "mine\n")
    first = cluster.submit("sleep 0.5; echo made > made; echo tool > /usr/bin/tool; rm mine", *at)
    done = cluster.sh("cat made /usr/bin/tool; ls", "--after-ok", str(first), *at)
    assert done.status == 0 and done.out.split() == [b"made", b"tool", b"made"], done


def test_a_later_attempt_sees_what_the_earlier_brought_home(cluster):
    at = fresh(cluster, "again")
    script = "echo x >> tries; wc -l < tries; test $(wc -l < tries) = 3"
    done = cluster.sh(script, *at, "--retries", "5", "--no-stdin")
    assert done.status == 0 and done.out.split() == [b"1", b"2", b"3"], done
    assert read(cluster, "root/home/again/tries") == "x\nx\nx\n"


def test_a_full_volume_leaves_the_files_on_the_node(cluster):
    at = fresh(cluster, "full")
    try:
        # What other tests have left there counts, too.
        used = sum(os.lstat(os.path.join(folder, name)).st_size
                   for folder, _, names in os.walk(cluster.live("")) for name in names)
        assert cluster.devrun("volume", "quota", cluster.volume, str(used + (20 << 20))).status == 0
        done = cluster.sh("head -c 60000000 /dev/urandom > large", *at)
        assert done.status == 123, done
        assert "quota" in done.err and "devrun apply" in done.err, done
        assert not os.path.exists(cluster.live("root/home/full/large"))
        # Asked for while there is still no room, it says so instead of waiting for the node's next try.
        job = cluster.jobs()[-1]["job"]
        early = cluster.devrun("apply", str(job))
        assert early.status == 125 and "quota" in early.err, early
    finally:
        assert cluster.devrun("volume", "quota", cluster.volume, "none").status == 0
    taken = cluster.devrun("apply", str(job))
    assert taken.status == 0, taken
    assert os.path.getsize(cluster.live("root/home/full/large")) == 60_000_000


def test_holes_are_not_sent(cluster):
    at = fresh(cluster, "holes")
    began = time.monotonic()
    done = cluster.sh("dd if=/dev/zero of=one bs=1 count=1 seek=10000000000 2>/dev/null; "
                      "for i in 1 5 9; do echo $i | dd of=some bs=1 conv=notrunc seek=${i}00000000 2>/dev/null; done", *at)
    took = time.monotonic() - began
    assert done.status == 0 and "2 files, 10 GB" in done.err, done
    for name, size in (("one", 10_000_000_001), ("some", 900_000_002)):
        st = os.stat(cluster.live(f"root/home/holes/{name}"))
        assert st.st_size == size and st.st_blocks * 512 < 8_000_000, (name, st)
    with open(cluster.live("root/home/holes/some"), "rb") as file:
        for number in (1, 5, 9):
            file.seek(number * 100_000_000)
            assert file.read(2) == b"%d\n" % number
    # Reading and hashing 10 GB took 45 s.
    assert took < 20, took


@contextlib.contextmanager
def frozen(cluster):
    """The store takes no writes until the end of the block, and whoever writes waits."""
    freeze, thaw = 0xC0045877, 0xC0045878
    store = os.open(cluster.live("/"), os.O_RDONLY | os.O_DIRECTORY)
    fcntl.ioctl(store, freeze, 0)
    try:
        yield
    finally:
        fcntl.ioctl(store, thaw, 0)
        os.close(store)


@contextlib.contextmanager
def full(cluster):
    """Less than 5 % of the store are free."""
    store = cluster.live("").split("/volumes/")[0]
    filler = store + "/filler"
    before = os.statvfs(store).f_bavail

    def room():
        space = os.statvfs(store)
        return (space.f_bavail - space.f_blocks * 4 // 100) * space.f_frsize
    try:
        with open(filler, "wb") as file:
            while room() > 0:
                os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, room())
                os.fsync(file.fileno())
        yield
    finally:
        os.remove(filler)

        def given_back():  # btrfs does so with its next commit
            subprocess.run(["sync", "-f", store], check=True)
            return os.statvfs(store).f_bavail > before * 9 // 10
        wait_until(given_back, "the filler's room is free")


@own_cluster(nodes=1)  # whose store nobody else needs
def test_a_store_without_room_is_said_at_once(cluster):
    at = fresh(cluster, "room")
    job = cluster.submit("while [ ! -e /tmp/go ]; do sleep 0.1; done; head -c 3000000 /dev/urandom > late", *at)
    cluster.await_state(job, "RUNNING")
    with full(cluster):
        assert cluster.devrun("exec", str(job), "touch", "/tmp/go").status == 0
        ended = cluster.await_end(job)
        assert ended["ending"]["status"] == 123, ended
        taken = cluster.devrun("apply", str(job))
        assert taken.status == 125 and "5 %" in taken.err and f"devrun apply {job}" in taken.err, taken
    taken = cluster.devrun("apply", str(job))
    assert taken.status == 0, taken
    assert os.path.getsize(cluster.live("root/home/room/late")) == 3_000_000


def test_cancelled_again_what_comes_home_is_not_waited_for(cluster):
    at = fresh(cluster, "left")
    job = cluster.submit("trap 'head -c 3000000 /dev/urandom > late; exit 0' TERM; touch /tmp/ready; while :; do sleep 0.1; done", *at)
    wait_until(lambda: cluster.devrun("exec", str(job), "test", "-e", "/tmp/ready").status == 0, "it runs")
    with frozen(cluster):
        assert cluster.devrun("cancel", str(job)).status == 0
        cluster.await_state(job, "COMPLETING")
        again = cluster.devrun("cancel", str(job))
        assert again.status == 0 and f"devrun apply {job}" in again.err, again
        ended = cluster.await_end(job)
    ending = ended["ending"]
    assert ended["state"] == "CANCELLED" and ending["status"] == 130, ended
    assert "came home" in ending["reason"] and ending["hint"] == f"devrun apply {job}", ended
    assert not os.path.exists(cluster.live("root/home/left/late"))
    taken = cluster.devrun("apply", str(job))
    assert taken.status == 0, taken
    assert os.path.getsize(cluster.live("root/home/left/late")) == 3_000_000


def test_databases_and_commits(cluster):
    """SQLite with its log, and git on both sides."""
    for program in ("git", "sqlite3"):
        assert os.path.exists(f"/usr/bin/{program}"), "deploy/install-packages test"
    add_programs(cluster.live(""), "/usr/bin/git", "/usr/bin/sqlite3")
    at = fresh(cluster, "tools")
    git = "git -c user.name=a -c user.email=a@b -c safe.directory='*' "

    def here(script):
        done = cluster.devrun("shell", cluster.volume, "--", "sh", "-ec", f"cd /root/home/tools; {script}")
        assert done.status == 0, done
        return done.out.split()
    try:
        here(f"{git} init -q -b main; echo 1 > code; {git} add -A; {git} commit -qm first")
        with cluster.start(*at, "--", "sh", "-ec",
                           "sqlite3 x.db 'pragma journal_mode=wal; create table t(a); insert into t values (1),(2);'; "
                           f"echo go; read line; echo 2 > made; {git} add -A; {git} commit -qm job; {git} log --oneline | wc -l") as child:
            assert child.stdout.readline() == b"wal\n"
            assert child.stdout.readline() == b"go\n"
            here(f"echo edited > code; {git} commit -qam second")
            out, err = child.communicate(b"\n", timeout=60)
        assert child.returncode == 0 and out.split() == [b"2"], (out, err)
        assert read(cluster, "root/home/tools/code") == "edited\n" and read(cluster, "root/home/tools/made") == "2\n"
        # The developer's history is whole, and theirs.
        assert here(f"{git} fsck --strict 2>/dev/null; {git} log --format=%s") == [b"second", b"first"]
        assert here("sqlite3 x.db 'pragma integrity_check; select count(*) from t'") == [b"ok", b"2"]
    finally:
        cluster.devrun("shell", "--stop", "--yes", cluster.volume)


@own_cluster(nodes=2)
def test_what_a_lost_node_sends_later_is_kept_and_not_applied(cluster):
    at = fresh(cluster, "lost")
    job = cluster.submit("echo early > early; sleep 3; echo late > late; exec sleep 1000", *at)
    cluster.await_state(job, "RUNNING")
    wait_until(lambda: os.path.exists(cluster.live("root/home/lost/early")), "it comes while the job runs")
    node = cluster.show(job)["attempts"][0]["node"]
    cluster.kill(f"{node}.agent", signal.SIGKILL)
    wait_until(lambda: os.path.exists(os.path.join(cluster.folder, "nodes", node, "attempts", f"{job}_-.0#1", "upper/root/home/lost/late")),
               "the job goes on")
    assert cluster.devrun("nodes", "lost", node).status == 0
    assert cluster.await_end(job)["state"] == "NODE_LOST"
    cluster.mend()
    record = cluster.live("").split("/volumes/")[0] + f"/jobs/{job}/-.0.1/changes"

    def told():
        try:
            with open(record, encoding="utf-8") as file:
                return '"complete":true' in file.read()
        except FileNotFoundError:
            return False
    wait_until(told, "what it wrote has come", 60)
    assert read(cluster, "root/home/lost/early") == "early\n"
    assert not os.path.exists(cluster.live("root/home/lost/late"))
