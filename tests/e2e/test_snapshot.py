"""A job sees the volume as it was when `devrun` was called."""
import hashlib
import os

from harness import write


def read(path):
    with open(path, "rb") as file:
        return file.read()


def test_a_job_submitted_before_an_edit_sees_the_old_file(cluster):
    write(cluster.live("work/version"), "old\n")
    with cluster.filled():
        job = cluster.submit("cat /work/version", "--cpus", "1")
        assert cluster.show(job)["state"] == "QUEUED"
        write(cluster.live("work/version"), "new\n")
    cluster.await_end(job)
    assert cluster.devrun("logs", str(job)).out == b"old\n"
    assert cluster.devrun("cat", "/work/version").out == b"new\n"


def test_an_edit_just_before_is_seen(cluster):
    for number in range(5):
        write(cluster.live("work/version"), f"edit {number}\n")
        done = cluster.devrun("cat", "/work/version")
        assert done.out == f"edit {number}\n".encode(), done


def test_an_edit_of_the_same_length_in_place_is_seen(cluster):
    path = cluster.live("work/in-place")
    write(path, "aaaa")
    assert cluster.devrun("cat", "/work/in-place").out == b"aaaa"
    for text in ("bbbb", "cccc"):
        with open(path, "r+", encoding="utf-8") as file:
            file.write(text)
        assert cluster.devrun("cat", "/work/in-place").out == text.encode()


def test_new_removed_and_renamed_entries_are_seen(cluster):
    os.makedirs(cluster.live("work/folder/deep"))
    write(cluster.live("work/folder/deep/file"), "deep\n")
    assert cluster.devrun("cat", "/work/folder/deep/file").out == b"deep\n"
    os.rename(cluster.live("work/folder"), cluster.live("work/renamed"))
    done = cluster.sh("cat /work/renamed/deep/file; ls /work/folder")
    assert done.out == b"deep\n" and done.status != 0, done
    os.remove(cluster.live("work/renamed/deep/file"))
    assert cluster.devrun("ls", "/work/renamed/deep").out == b""


def test_modes_owners_links_times_and_odd_names_are_kept(cluster):
    path = cluster.live("work/odd \u00e4\n name")
    write(path, "x")
    os.chmod(path, 0o4751)
    os.chown(path, 1000, 2000)
    os.chmod(path, 0o4751)
    os.utime(path, ns=(10**18, 10**18 + 5))
    os.symlink("version", cluster.live("work/link"))
    os.link(path, cluster.live("work/hard"))
    done = cluster.sh("cd /work; stat -c '%a %u %g %h %Y' odd*; readlink link; test hard -ef odd* && echo same")
    assert done.out == b"4751 1000 2000 2 1000000000\nversion\nsame\n", done


def test_two_files_of_equal_content_stay_two_when_one_is_written(cluster):
    done = cluster.sh("cd /work; echo changed >> twin1; tail -1 twin1; tail -1 twin2; test twin1 -ef twin2 || echo two")
    assert done.out == b"changed\nequal content of two files\ntwo\n", done


def test_large_files_arrive_whole(cluster):
    data = os.urandom((5 << 20) + 12345)
    with open(cluster.live("data/large"), "wb") as file:
        file.write(data)
    assert cluster.devrun("cat", "/data/large").out == data
    with open(cluster.live("data/large"), "r+b") as file:
        file.seek(2 << 20)
        file.write(b"in the middle")
    assert cluster.devrun("cat", "/data/large").out == read(cluster.live("data/large"))


def test_files_that_are_hashed_later_arrive_whole(cluster):
    data = bytearray(os.urandom(70 << 20))
    with open(cluster.live("data/huge"), "wb") as file:
        file.write(data)
    for edit in range(3):
        data[40_000_000:40_000_004] = b"edit"
        data[edit] = 0
        with open(cluster.live("data/huge"), "r+b") as file:
            file.write(data[:3])
            file.seek(40_000_000)
            file.write(b"edit")
        for _ in range(2):
            done = cluster.sh("md5sum </data/huge")
            assert done.out.split()[0].decode() == hashlib.md5(data).hexdigest(), done
    os.remove(cluster.live("data/huge"))


def test_writes_of_a_job_stay_out_of_the_volume_and_are_listed(cluster):
    done = cluster.sh("echo new > /work/result; echo more >> /work/version")
    assert done.status == 0, done
    assert not os.path.exists(cluster.live("work/result"))
    assert "outside of home stay in the change set" in done.err, done
    job = cluster.jobs()[-1]
    wrote = cluster.show(job["job"])["attempts"][-1]["wrote"]
    assert wrote["files"] >= 2, wrote
    with open(os.path.join(wrote["folder"], "work/result"), encoding="utf-8") as file:
        assert file.read() == "new\n", wrote


def test_two_jobs_do_not_see_each_others_writes(cluster):
    assert cluster.sh("echo x > /work/private; cat /work/private").out == b"x\n"
    assert cluster.sh("cat /work/private").status == 1


def test_tmp_and_run_start_empty(cluster):
    write(cluster.live("tmp/left-behind"), "x")
    done = cluster.sh("ls -A /tmp; ls -A /run")
    # What every root has there: the socket's folder, and /run/lock, to which /var/lock leads.
    assert set(done.out.split()) <= {b"devrun", b"lock"}, done


def test_the_volume_may_be_created_again_from_a_folder_and_removed(cluster):
    assert cluster.devrun("volume", "create", "second", "--from-dir", cluster.root).status == 0
    assert cluster.devrun("--volume", "second", "cat", "/work/version").out == b"one\n"
    again = cluster.devrun("volume", "create", "second", "--from-dir", cluster.root)
    assert again.status == 125 and "second" in again.err, again
    assert cluster.devrun("volume", "rm", "second", "--yes").status == 0
    assert b"second" not in cluster.devrun("volume", "ls").out


def test_names_of_one_file_stay_one_file_when_a_job_writes(cluster):
    with open(cluster.live("work/linked-a"), "w", encoding="utf-8") as file:
        file.write("before\n")
    os.link(cluster.live("work/linked-a"), cluster.live("work/linked-b"))
    script = """
        cd /work
        echo by-a >> linked-a; cat linked-b; stat -c '%h' linked-a linked-b
        echo 3 > /proc/sys/vm/drop_caches 2>/dev/null
        echo by-b >> linked-b; cat linked-a
        [ "$(stat -c %i linked-a)" = "$(stat -c %i linked-b)" ] && echo same
        ln linked-b linked-c; echo by-c >> linked-c; tail -n 1 linked-a; rm linked-a; tail -n 1 linked-b"""
    done = cluster.sh(script)
    assert done.status == 0, done
    assert done.out.decode().split() == ["before", "by-a", "2", "2", "before", "by-a", "by-b", "same", "by-c",
                                         "by-c"], done
