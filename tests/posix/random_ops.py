"""Random operations on a tree (tree.py), each with its outcome, then all that the tree holds, one JSON record a line.

    random_ops.py ROOT SEED COUNT [--xattrs] [--uid UID]

What is done depends on the seed alone, so that two file systems that behave alike print the same. Left out is what may
differ by right: inode numbers (but for who shares one), times of today, sizes and link counts of folders, atime.
"""
import argparse
import ctypes
import errno
import hashlib
import json
import mmap
import os
import random
import stat
import sys

import tree

LIBC = ctypes.CDLL(None, use_errno=True)
RENAME_NOREPLACE, RENAME_EXCHANGE = 1, 2
AT_SYMLINK_FOLLOW = 0x400
FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE = 1, 2
BYTES_MAX = 3000


def checked(result):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def time_of(ns):
    return ns if ns < 1_700_000_000 * 10**9 else "today"


def facts(st):
    out = {"mode": oct(st.st_mode), "uid": st.st_uid, "gid": st.st_gid, "mtime": time_of(st.st_mtime_ns)}
    if not stat.S_ISDIR(st.st_mode):
        out["size"], out["links"] = st.st_size, st.st_nlink
    return out


def digest(data):
    return [len(data), hashlib.sha256(data).hexdigest()[:12]]


def remove_sorted(folder):
    """As rmtree, in an order of its own, since it ends at the first that may not be removed."""
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if os.path.isdir(path) and not os.path.islink(path):
            remove_sorted(path)
        else:
            os.unlink(path)
    os.rmdir(folder)


class Operations:
    """Each method is one operation; what it returns is compared."""

    def __init__(self, root, seed, xattrs):
        self.root, self.chance, self.xattrs = root, random.Random(seed), xattrs
        self.paths = []  # of the operation under way, for who reads the outcome

    def below(self, path):
        self.paths.append(path if len(path) < 60 else path[:60] + "…")
        return os.path.join(self.root, path)

    # ── arguments ───────────────────────────────────────────────────────────────────────────────────────────────────
    def path(self):
        folder = self.chance.choice(tree.DIRECTORIES)
        name = self.chance.choice(tree.NAMES[:4] * 6 + tree.NAMES[4:] * 2 +
                                  ("new", "twin1", "twin2", "sparse", "n" * 255, "n" * 256, "f0/below"))
        return self.below(os.path.join(folder, name))

    def folder(self):
        return self.below(self.chance.choice((*tree.DIRECTORIES, "x", "a/y", "d/new", "f0")))

    def data(self):
        return self.chance.randbytes(self.chance.randrange(BYTES_MAX))

    def offset(self):
        return self.chance.choice((0, 1, 4095, 5000, 100_000, 1 << 21))

    # ── what is asked ───────────────────────────────────────────────────────────────────────────────────────────────
    def lstat(self):
        return facts(os.lstat(self.path()))

    def stat(self):
        return facts(os.stat(self.path()))

    def read(self):
        path, offset = self.path(), self.offset()
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        try:
            if stat.S_ISFIFO(os.fstat(fd).st_mode):
                return "fifo"
            return digest(os.pread(fd, 1 << 16, offset))
        finally:
            os.close(fd)

    def list(self):
        with os.scandir(self.folder()) as entries:
            return sorted([entry.name, entry.is_dir(follow_symlinks=False), entry.is_symlink()] for entry in entries)

    def readlink(self):
        return os.readlink(self.path())

    def access(self):
        return os.access(self.path(), self.chance.choice((os.R_OK, os.W_OK, os.X_OK, os.F_OK)))

    def same(self):
        return os.path.samefile(self.path(), self.path())

    # ── what changes a file ─────────────────────────────────────────────────────────────────────────────────────────
    def open(self):
        flags = self.chance.choice((os.O_RDONLY, os.O_WRONLY, os.O_RDWR)) | os.O_NONBLOCK
        for flag in (os.O_CREAT, os.O_EXCL, os.O_TRUNC, os.O_APPEND, os.O_DIRECTORY, os.O_NOFOLLOW):
            flags |= flag if self.chance.random() < 0.3 else 0
        data, path, mode = self.data(), self.path(), self.chance.choice((0o644, 0o600, 0o777))
        if flags & os.O_CREAT and flags & os.O_DIRECTORY:
            flags &= ~os.O_DIRECTORY  # kernels differ in it
        fd = os.open(path, flags, mode)
        try:
            before = facts(os.fstat(fd))
            written = None
            if flags & os.O_ACCMODE != os.O_RDONLY and not stat.S_ISFIFO(os.fstat(fd).st_mode):
                written = os.write(fd, data)
            return [before, written]
        finally:
            os.close(fd)

    def write_at(self):
        path, offset, data = self.path(), self.offset(), self.data()
        fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        try:
            if stat.S_ISFIFO(os.fstat(fd).st_mode):
                return "fifo"
            os.pwrite(fd, data, offset)
            return digest(os.pread(fd, 1 << 22, 0))
        finally:
            os.close(fd)

    def write_mapped(self):
        path, at = self.path(), self.chance.random()
        fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW)
        try:
            size = os.fstat(fd).st_size
            if size == 0:
                return "empty"
            with mmap.mmap(fd, size) as mapped:
                mapped[int(at * (size - 1))] = 0x5A
                mapped.flush()
            return digest(os.pread(fd, 1 << 22, 0))
        finally:
            os.close(fd)

    def punch(self):
        path, offset = self.path(), self.offset()
        fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW)
        try:
            checked(LIBC.fallocate(fd, FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE, ctypes.c_long(offset),
                                   ctypes.c_long(5000)))
            return digest(os.pread(fd, 1 << 22, 0))
        finally:
            os.close(fd)

    def write_after_unlink(self):
        path, data = self.path(), self.data()
        fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW)
        try:
            if stat.S_ISFIFO(os.fstat(fd).st_mode):
                return "fifo"
            os.unlink(path)
            os.write(fd, data)
            return [facts(os.fstat(fd)), digest(os.pread(fd, 1 << 22, 0))]
        finally:
            os.close(fd)

    def truncate(self):
        path, size = self.path(), self.offset()
        if stat.S_ISFIFO(os.stat(path).st_mode):
            return "fifo"
        os.truncate(path, size)
        return facts(os.lstat(path))

    def tmpfile(self):
        folder, name, data = self.folder(), self.path(), self.data()
        fd = os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o640)
        try:
            os.write(fd, data)
            checked(LIBC.linkat(-100, b"/proc/self/fd/%d" % fd, -100, name.encode(), AT_SYMLINK_FOLLOW))
            return facts(os.lstat(name))
        finally:
            os.close(fd)

    def chmod(self):
        path, mode = self.path(), self.chance.choice((0o644, 0o600, 0o755, 0o4755, 0o2755, 0o777))
        if os.path.islink(path):
            return "link"
        os.chmod(path, mode)
        return facts(os.lstat(path))

    def chown(self):
        path, uid, gid = self.path(), self.chance.choice((-1, 0, 1000)), self.chance.choice((-1, 0, 1000))
        os.chown(path, uid, gid, follow_symlinks=False)
        return facts(os.lstat(path))

    def utime(self):
        path, ns = self.path(), tree.OLD_NS + self.chance.randrange(10**12)
        os.utime(path, ns=(ns, ns), follow_symlinks=False)
        return facts(os.lstat(path))

    # ── what changes folders ────────────────────────────────────────────────────────────────────────────────────────
    def mkdir(self):
        os.mkdir(self.path(), self.chance.choice((0o755, 0o700, 0o777)))

    def rmdir(self):
        os.rmdir(self.path())

    def unlink(self):
        os.unlink(self.path())

    def rename(self):
        os.rename(self.path(), self.path())

    def rename_folder(self):
        os.rename(self.folder(), self.path())

    def rename_with(self):
        source, target = self.path().encode(), self.path().encode()
        checked(LIBC.renameat2(-100, source, -100, target, self.chance.choice((RENAME_NOREPLACE, RENAME_EXCHANGE))))

    def link(self):
        target = self.path()
        os.link(self.path(), target, follow_symlinks=False)
        return facts(os.lstat(target))

    def symlink(self):
        os.symlink(self.chance.choice(("f0", "../x", "nothing")), self.path())

    def mkfifo(self):
        os.mkfifo(self.path(), 0o620)

    def remove_tree(self):
        folder = self.below(self.chance.choice(("a/b/c", "e/f", "x", "a/y", "e")))
        if self.chance.random() < 0.3:
            remove_sorted(folder)

    # ── extended attributes ─────────────────────────────────────────────────────────────────────────────────────────
    def setxattr(self):
        path, name = self.path(), self.chance.choice(("user.note", "user.more"))
        os.setxattr(path, name, self.chance.randbytes(20), self.chance.choice((0, os.XATTR_CREATE, os.XATTR_REPLACE)),
                    follow_symlinks=False)

    def getxattr(self):
        return os.getxattr(self.path(), self.chance.choice(("user.note", "user.folder")), follow_symlinks=False).hex()

    def listxattr(self):
        return sorted(os.listxattr(self.path(), follow_symlinks=False))

    def removexattr(self):
        os.removexattr(self.path(), self.chance.choice(("user.note", "user.more")), follow_symlinks=False)


XATTR_OPERATIONS = ("setxattr", "getxattr", "listxattr", "removexattr")
NO_OPERATIONS = ("below", "path", "folder", "data", "offset")


def names_of(xattrs):
    return [name for name, function in vars(Operations).items() if callable(function) and not name.startswith("_")
            and name not in NO_OPERATIONS and (xattrs or name not in XATTR_OPERATIONS)]


def run(root, seed, count, xattrs):
    operations = Operations(root, seed, xattrs)
    names = names_of(xattrs)
    for number in range(count):
        # Every operation begins with its own numbers: how far one got does not change the next.
        operations.chance.seed(f"{seed}/{number}")
        operations.paths.clear()
        name = operations.chance.choice(names)
        try:
            outcome = getattr(operations, name)()
        except OSError as error:
            outcome = errno.errorcode.get(error.errno, error.errno)
        yield [number, name, *operations.paths, outcome]


def contents(root, xattrs):
    """All that is there."""
    groups = {}
    for folder, directories, files in os.walk(root):
        directories.sort()
        for name in sorted(directories + files) + [""]:
            path = os.path.join(folder, name) if name else folder
            if not name and folder != root:
                continue
            st = os.lstat(path)
            out = facts(st)
            if stat.S_ISREG(st.st_mode):
                with open(path, "rb") as file:
                    out["data"] = digest(file.read())
            if stat.S_ISLNK(st.st_mode):
                out["target"] = os.readlink(path)
            if xattrs:
                out["xattrs"] = {key: os.getxattr(path, key, follow_symlinks=False).hex()
                                 for key in sorted(os.listxattr(path, follow_symlinks=False))}
            if not stat.S_ISDIR(st.st_mode) and st.st_nlink > 1:
                out["first"] = groups.setdefault((st.st_dev, st.st_ino), os.path.relpath(path, root))
            yield [os.path.relpath(path, root), out]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("root")
    parser.add_argument("seed", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("--xattrs", action="store_true")
    parser.add_argument("--uid", type=int, default=0)
    options = parser.parse_args()
    os.umask(0o022)
    child = os.fork()
    if child == 0:
        if options.uid:
            os.setgroups([])
            os.setgid(options.uid)
            os.setuid(options.uid)
        for record in run(options.root, options.seed, options.count, options.xattrs):
            print(json.dumps(record))
        sys.stdout.flush()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    for record in contents(options.root, options.xattrs):
        print(json.dumps(record))
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
