"""What POSIX programs expect of a file system, tried below a folder that came with a snapshot.

    conformance.py ROOT [--xattrs]      ROOT holds tree.make(…, seed 1); prints `ok|FAIL NAME` for each, status 1 if any failed

Each check works on files of its own: copies that came with the snapshot (ROOT/NAME-of-check), never made here first, so
that reading, copy-up and whiteouts all are of the lower layer.
"""
import argparse
import ctypes
import errno
import fcntl
import hashlib
import mmap
import os
import shutil
import stat
import subprocess
import sys
import threading
import traceback

import tree

LIBC = ctypes.CDLL(None, use_errno=True)
RENAME_NOREPLACE, RENAME_EXCHANGE = 1, 2
AT_SYMLINK_FOLLOW = 0x400
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def fails_with(number, function, *arguments, **more):
    try:
        function(*arguments, **more)
    except OSError as error:
        assert error.errno == number, f"{errno.errorcode[error.errno]} where {errno.errorcode[number]} was expected"
        return
    raise AssertionError(f"it worked, where {errno.errorcode[number]} was expected")


def read(path):
    with open(path, "rb") as file:
        return file.read()


def write(path, data, mode="wb"):
    with open(path, mode) as file:
        file.write(data)


def renameat2(source, target, flags):
    if LIBC.renameat2(-100, source.encode(), -100, target.encode(), flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────
@check
def mapped_files_show_their_bytes(root, _):
    data = read(root + "/d/f3")
    with open(root + "/d/f3", "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        assert mapped[:] == data
        assert mapped[len(data) - 1:] == data[-1:]


@check
def programs_run_from_it_and_are_text_busy(root, _):
    program = root + "/program"
    assert subprocess.run(["busybox", "echo", "ran"], executable=program, stdout=subprocess.PIPE, check=True).stdout == b"ran\n"
    with subprocess.Popen(["busybox", "sleep", "100"], executable=program) as child:
        try:
            fails_with(errno.ETXTBSY, os.open, program, os.O_WRONLY)
        finally:
            child.kill()
    with open(program, "ab") as file:
        file.write(b"\0")
    assert subprocess.run(["busybox", "echo", "again"], executable=program, stdout=subprocess.PIPE, check=True).stdout == b"again\n"


@check
def holes_read_as_zeros_and_are_told_honestly(root, _):
    path = root + "/sparse"
    size = 8 << 20
    data = read(path)
    assert len(data) == size and data[3 << 20:][:13] == b"in the middle" and not any(data[:3 << 20])
    with open(path, "rb") as file:
        end = 0
        while end < size:  # whatever is called a hole is zeros, and all of the file is one or the other
            try:
                begin = os.lseek(file.fileno(), end, os.SEEK_DATA)
            except OSError as error:
                assert error.errno == errno.ENXIO
                begin = size
            assert begin >= end and not any(data[end:begin])
            end = os.lseek(file.fileno(), begin, os.SEEK_HOLE) if begin < size else size
        assert os.lseek(file.fileno(), 0, os.SEEK_HOLE) <= size
        fails_with(errno.ENXIO, os.lseek, file.fileno(), size, os.SEEK_DATA)
    assert os.stat(path).st_blocks * 512 <= size


@check
def a_sparse_file_is_copied_up_sparse(root, _):
    path = root + "/holes"
    with open(path, "r+b") as file:
        file.seek(40 << 20)
        file.write(b"one byte less of nothing")
    assert os.stat(path).st_blocks * 512 < 8 << 20, os.stat(path)
    with open(path, "rb") as file:
        assert file.seek(0, os.SEEK_DATA) >= 19 << 20
        file.seek((40 << 20) - 3)
        assert file.read(30) == bytes(3) + b"one byte less of nothing" + bytes(3)
        file.seek((20 << 20) - 2)
        assert file.read(6) == bytes(2) + b"data"


@check
def files_over_four_gigabytes_work(root, _):
    path = root + "/huge"
    size = (5 << 30) + 7
    assert os.stat(path).st_size == size
    with open(path, "rb") as file:
        for offset in (0, (1 << 32) - 3, (1 << 32) + 1, size - 5):
            file.seek(offset)
            assert file.read(5) == bytes(5)
        file.seek(1 << 32)
        assert not file.read(1).strip(b"\0")
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 4096, prot=mmap.PROT_READ, offset=1 << 32) as mapped:
        assert not any(mapped[:])


@check
def sixty_four_finds_at_once_agree(root, _):
    walked = sum(len(names) + len(files) for _, names, files in os.walk(root)) + 1
    finds = [subprocess.Popen(["/bin/busybox", "find", root], stdout=subprocess.PIPE) for _ in range(64)]
    outputs = {hashlib.sha256(find.communicate()[0]).hexdigest() for find in finds}
    assert not any(find.returncode for find in finds)
    assert len(outputs) == 1
    count = subprocess.run(["/bin/busybox", "find", root], stdout=subprocess.PIPE, check=True).stdout.count(b"\n")
    assert count == walked, (count, walked)


@check
def many_threads_look_up_and_list_one_folder(root, _):
    wrong = []

    def look(seed):
        for i in range(200):
            name = tree.NAMES[(i * 7 + seed) % 4]
            if not os.path.exists(f"{root}/a/{name}") or name not in os.listdir(root + "/a"):
                wrong.append(name)
    threads = [threading.Thread(target=look, args=(seed,)) for seed in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong


@check
def a_listing_goes_on_where_it_was_told_to(root, _):
    names = set(os.listdir(root + "/many"))
    assert len(names) == 2000
    with os.scandir(root + "/many") as entries:
        first = [next(entries).name for _ in range(10)]
        for name in first[:5]:
            os.unlink(f"{root}/many/{name}")
        rest = [entry.name for entry in entries]
    assert set(first) | set(rest) == names and not set(first) & set(rest)
    assert set(os.listdir(root + "/many")) == names - set(first[:5])


@check
def the_file_system_says_how_large_it_is(root, _):
    told = os.statvfs(root)
    assert told.f_namemax == 255 and told.f_bsize > 0 and told.f_blocks > 0 and told.f_bfree > 0, told


# ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────────────
@check
def a_write_to_one_of_two_equal_files_changes_that_alone(root, _):
    before = read(root + "/twin1")
    assert os.stat(root + "/twin1").st_ino != os.stat(root + "/twin2").st_ino
    write(root + "/twin1", b"other")
    assert read(root + "/twin1") == b"other" and read(root + "/twin2") == before


@check
def hard_links_are_one_file_before_and_after_a_write(root, _):
    one, two = root + "/linked1", root + "/linked2"
    assert os.path.samefile(one, two) and os.stat(one).st_nlink == 2
    with open(two, "rb") as reader:
        write(one, b"+", "ab")
        assert read(two) == read(one) and read(one).endswith(b"+")
        assert os.path.samefile(one, two) and os.stat(one).st_nlink == 2
        del reader
    os.link(one, root + "/linked3")
    assert os.stat(two).st_nlink == 3
    os.unlink(one)
    assert os.stat(two).st_nlink == 2 and read(two).endswith(b"+")


@check
def appending_copies_up_whole(root, _):
    path = root + "/d/f2"
    before, kept = read(path), os.stat(path)
    write(path, b"tail", "ab")
    after = os.stat(path)
    assert read(path) == before + b"tail"
    assert (after.st_mode, after.st_uid, after.st_gid) == (kept.st_mode & ~stat.S_ISUID | after.st_mode & stat.S_ISUID,
                                                           kept.st_uid, kept.st_gid)


@check
def chmod_chown_and_utime_change_nothing_else(root, _):
    path = root + "/e/f1"
    before, data = os.stat(path), read(path)
    os.chmod(path, 0o640)
    assert os.stat(path).st_mtime_ns == before.st_mtime_ns and read(path) == data
    os.chown(path, 1000, 1000)
    assert os.stat(path).st_mtime_ns == before.st_mtime_ns and os.stat(path).st_uid == 1000
    os.utime(path, ns=(tree.OLD_NS + 1, tree.OLD_NS + 2))
    after = os.stat(path)
    assert (after.st_atime_ns, after.st_mtime_ns) == (tree.OLD_NS + 1, tree.OLD_NS + 2)
    assert after.st_ino == before.st_ino and stat.S_IMODE(after.st_mode) == 0o640 and read(path) == data
    os.utime(root + "/e/link", ns=(5, 5), follow_symlinks=False)
    assert os.lstat(root + "/e/link").st_mtime_ns == 5


@check
def numbers_of_files_stay_when_they_are_written(root, _):
    path = root + "/e/f0"
    before = os.stat(path)
    with open(path, "r+b") as file:
        file.write(b"x")
        assert os.fstat(file.fileno()).st_ino == before.st_ino
    assert os.stat(path).st_ino == before.st_ino and os.stat(path).st_dev == before.st_dev


@check
def a_shared_mapping_writes_through(root, _):
    path = root + "/e/f3"
    size = os.stat(path).st_size
    if size == 0:
        write(path, b"12345678")
        size = 8
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), size) as mapped:
        mapped[0:1] = b"M"
        assert os.pread(file.fileno(), 1, 0) == b"M"
        mapped.flush()
    assert read(path)[:1] == b"M"


@check
def temporary_files_without_a_name_get_one(root, _):
    fd = os.open(root + "/e", os.O_TMPFILE | os.O_RDWR, 0o600)
    os.write(fd, b"nameless")
    assert os.fstat(fd).st_nlink == 0
    assert LIBC.linkat(-100, b"/proc/self/fd/%d" % fd, -100, (root + "/e/named").encode(), AT_SYMLINK_FOLLOW) == 0
    os.close(fd)
    assert read(root + "/e/named") == b"nameless"


@check
def space_is_taken_and_given_back(root, _):
    path = root + "/e/taken"
    with open(path, "w+b") as file:
        os.posix_fallocate(file.fileno(), 0, 1 << 20)
        assert os.fstat(file.fileno()).st_size == 1 << 20
        assert LIBC.fallocate(file.fileno(), 3, ctypes.c_long(0), ctypes.c_long(1 << 19)) == 0
        assert os.fstat(file.fileno()).st_blocks * 512 <= 1 << 20


@check
def locks_exclude_one_another(root, _):
    path = root + "/twin2"
    with open(path, "r+b") as one, open(path, "r+b") as two:
        fcntl.flock(one, fcntl.LOCK_EX)
        fails_with(errno.EWOULDBLOCK, fcntl.flock, two, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(one, fcntl.LOCK_UN)
        fcntl.lockf(one, fcntl.LOCK_EX, 10, 0)
        child = os.fork()
        if child == 0:
            with open(path, "r+b") as mine:
                try:
                    fcntl.lockf(mine, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 5)
                    os._exit(1)
                except OSError:
                    fcntl.lockf(mine, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 20)
                    os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with open(root + "/a/f1", "rb") as shared:  # also on what is not written
        fcntl.flock(shared, fcntl.LOCK_SH)


# ── folders ─────────────────────────────────────────────────────────────────────────────────────────────────────────
@check
def a_lower_folder_can_be_renamed(root, _):
    names = sorted(os.listdir(root + "/mv/inner"))
    os.rename(root + "/mv", root + "/moved")
    assert sorted(os.listdir(root + "/moved/inner")) == names and not os.path.exists(root + "/mv")
    assert read(root + "/moved/inner/f0") is not None
    os.rename(root + "/moved/inner", root + "/moved/deeper")
    write(root + "/moved/deeper/new", b"in it")
    os.mkdir(root + "/mv")
    assert os.listdir(root + "/mv") == []  # the one that was there does not shine through
    fails_with(errno.EINVAL, os.rename, root + "/moved", root + "/moved/deeper/x")
    fails_with(errno.ENOTEMPTY, os.rename, root + "/mv", root + "/moved")
    os.rmdir(root + "/mv")


@check
def names_are_exchanged_and_not_overwritten_when_asked(root, _):
    one, two = root + "/d/f0", root + "/d/f1"
    first, second = read(one), read(two)
    fails_with(errno.EEXIST, renameat2, one, two, RENAME_NOREPLACE)
    renameat2(one, two, RENAME_EXCHANGE)
    assert (read(one), read(two)) == (second, first)
    renameat2(root + "/d/link", root + "/swap", RENAME_EXCHANGE)  # a link against a folder
    assert os.path.isdir(root + "/d/link") and os.path.islink(root + "/swap")
    fails_with(errno.ENOENT, renameat2, one, root + "/d/nothing", RENAME_EXCHANGE)


@check
def what_is_removed_is_gone_and_may_be_made_anew(root, _):
    os.unlink(root + "/gone/f0")
    assert "f0" not in os.listdir(root + "/gone")
    fails_with(errno.ENOENT, os.stat, root + "/gone/f0")
    fails_with(errno.ENOENT, os.unlink, root + "/gone/f0")
    os.mkdir(root + "/gone/f0")
    assert os.listdir(root + "/gone/f0") == []
    os.rmdir(root + "/gone/f0")
    write(root + "/gone/f0", b"new")
    assert read(root + "/gone/f0") == b"new" and os.listdir(root + "/gone").count("f0") == 1


@check
def a_tree_is_removed_and_made_again(root, _):
    shutil.rmtree(root + "/rm")
    assert not os.path.lexists(root + "/rm") and "rm" not in os.listdir(root)
    os.makedirs(root + "/rm/a")
    assert os.listdir(root + "/rm") == ["a"] and os.listdir(root + "/rm/a") == []


@check
def a_file_that_is_open_outlives_its_name(root, _):
    path = root + "/gone/f1"
    data = read(path)
    with open(path, "rb") as file:
        os.unlink(path)
        assert file.read() == data
    with open(root + "/gone/f2", "r+b") as file:
        os.unlink(root + "/gone/f2")
        file.write(b"on")
        assert os.fstat(file.fileno()).st_nlink == 0


@check
def wrong_kinds_are_told_apart(root, _):
    fails_with(errno.ENOTDIR, os.listdir, root + "/twin2")
    fails_with(errno.ENOTDIR, os.stat, root + "/twin2/below")
    fails_with(errno.EISDIR, os.open, root + "/a", os.O_WRONLY)
    fails_with(errno.ENOTEMPTY, os.rmdir, root + "/a")
    fails_with(errno.ENAMETOOLONG, os.stat, root + "/" + "n" * 256)
    fails_with(errno.ELOOP, os.open, root + "/a/link", os.O_RDONLY | os.O_NOFOLLOW)
    fails_with(errno.EEXIST, os.mkdir, root + "/a")
    fails_with(errno.EEXIST, os.open, root + "/a/f0", os.O_CREAT | os.O_EXCL)
    fails_with(errno.EINVAL, os.readlink, root + "/a/f0")
    assert stat.S_ISFIFO(os.stat(root + "/fifo").st_mode)
    assert not os.access(root + "/a/f0/", os.F_OK)


@check
def a_user_who_may_not_is_refused(root, _):
    os.chmod(root + "/a", 0o755)
    os.chown(root + "/a", 0, 0)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgroups([])
            os.setgid(4242)
            os.setuid(4242)
            fails_with(errno.EACCES, os.open, root + "/secret", os.O_RDONLY)
            fails_with(errno.EACCES, os.unlink, root + "/a/f0")
            fails_with(errno.EACCES, os.open, root + "/a/new", os.O_CREAT | os.O_WRONLY)
            fails_with(errno.EPERM, os.chmod, root + "/a", 0o777)
            status = 0
        except BaseException:  # noqa: BLE001, the child must not go on in the parent's stead
            traceback.print_exc()
        os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# ── the rest ────────────────────────────────────────────────────────────────────────────────────────────────────────
@check
def extended_attributes_are_kept_and_written(root, xattrs):
    if not xattrs:
        return
    assert os.getxattr(root + "/f0", "user.note") == b"kept"
    assert os.listxattr(root + "/f0") == ["user.note"]
    os.setxattr(root + "/f0", "user.more", b"m")
    assert sorted(os.listxattr(root + "/f0")) == ["user.more", "user.note"]
    os.removexattr(root + "/f0", "user.note")
    fails_with(errno.ENODATA, os.getxattr, root + "/f0", "user.note")
    assert os.getxattr(root + "/a", "user.folder") == b"too"


def overlay_inside(root):
    """In a user namespace of its own: the lower layer is our file system, an overlay itself."""
    work = "/tmp/inside"
    for name in ("upper", "work", "root"):
        os.makedirs(f"{work}/{name}", exist_ok=True)
    script = (f"mount -t overlay inside -o lowerdir={root}/under,upperdir={work}/upper,workdir={work}/work,userxattr "
              f"{work}/root && cd {work}/root && ls | wc -l && echo changed > f1 && cat f1 && rm f2 && ! [ -e f2 ]")
    return subprocess.run(["/bin/busybox", "unshare", "-Urm", "sh", "-c", script], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)


@check
def an_overlay_of_a_job_s_own_lies_on_it(root, _):
    names, kept = os.listdir(root + "/under"), read(root + "/under/f1")
    done = overlay_inside(root)
    if b"Operation not permitted" in done.stderr or b"Invalid argument" in done.stderr:
        print(f"skip an_overlay_of_a_job_s_own_lies_on_it: this job may not mount: {done.stderr.decode().strip()}")
        return
    assert done.returncode == 0, done
    assert done.stdout.split()[0] == str(len(names)).encode(), done
    assert read(root + "/under/f1") == kept


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("root")
    parser.add_argument("--xattrs", action="store_true")
    options = parser.parse_args()
    failed = 0
    for function in CHECKS:
        try:
            function(options.root, options.xattrs)
            print(f"ok   {function.__name__}", flush=True)
        except Exception:  # noqa: BLE001, whatever it is, the check has failed
            failed += 1
            print(f"FAIL {function.__name__}\n{traceback.format_exc()}", flush=True)
    print(f"{len(CHECKS) - failed} of {len(CHECKS)} hold", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
