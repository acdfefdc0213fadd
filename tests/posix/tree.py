"""A small tree with one of everything that a file system can hold, made alike wherever it is made."""
import os
import random

OLD_NS = 1_500_000_000_123_456_789  # a time that no operation of today leaves behind
DIRECTORIES = ("", "a", "a/b", "a/b/c", "d", "e", "e/f")
NAMES = ("f0", "f1", "f2", "f3", "x", "y", "link", "hard", "b", "c", "f")
OTHER = 1000  # an owner that is not root


def put(path, data, mode, owner):
    with open(path, "wb") as file:
        file.write(data)
    os.chown(path, owner, owner)
    os.chmod(path, mode)


def make(root, seed, xattrs=False):
    """Fills the folder `root`, which must not exist yet."""
    chance = random.Random(seed)
    os.umask(0o022)
    for folder in DIRECTORIES:
        os.makedirs(os.path.join(root, folder), exist_ok=True)
    for folder in DIRECTORIES:
        at = os.path.join(root, folder)
        for i in range(4):
            size = chance.choice((0, 1, 100, 5000, 70_000, 1_200_000 if i == 3 and folder == "d" else 200))
            put(os.path.join(at, f"f{i}"), chance.randbytes(size), chance.choice((0o644, 0o600, 0o755, 0o4755, 0o444)),
                chance.choice((0, OTHER)))
        os.symlink(chance.choice(("f0", "../f1", "nothing", "link", "/tmp")), os.path.join(at, "link"))
        if chance.random() < 0.5:
            os.link(os.path.join(at, "f1"), os.path.join(at, "hard"))
    for name in ("twin1", "twin2"):  # equal in all but the name
        put(os.path.join(root, name), b"two files of equal content\n" * 300, 0o644, 0)
    with open(os.path.join(root, "sparse"), "wb") as file:
        file.truncate(8 << 20)
        file.seek(3 << 20)
        file.write(b"in the middle")
    os.mkfifo(os.path.join(root, "fifo"))
    if xattrs:
        os.setxattr(os.path.join(root, "f0"), "user.note", b"kept")
        os.setxattr(os.path.join(root, "a"), "user.folder", b"too")
    for folder in DIRECTORIES:
        os.chown(os.path.join(root, folder), 0, chance.choice((0, OTHER)))
        os.chmod(os.path.join(root, folder), chance.choice((0o755, 0o777, 0o1777, 0o775)))
    for folder, directories, files in os.walk(root, topdown=False):
        for name in directories + files:
            os.utime(os.path.join(folder, name), ns=(OLD_NS, OLD_NS), follow_symlinks=False)
    os.utime(root, ns=(OLD_NS, OLD_NS))


def make_for_conformance(root, program, xattrs=False):
    """tree.make, and what conformance.py wants besides. `program` is a static busybox."""
    make(root, 1, xattrs)
    with open(program, "rb") as file:
        put(root + "/program", file.read(), 0o755, 0)
    with open(root + "/huge", "wb") as file:
        file.truncate((5 << 30) + 7)
    with open(root + "/holes", "wb") as file:  # small enough to be hashed before the first job sees it
        file.truncate(60 << 20)
        file.seek(20 << 20)
        file.write(b"data")
    put(root + "/linked1", b"one file of two names", 0o644, 0)
    os.link(root + "/linked1", root + "/linked2")
    put(root + "/secret", b"nobody's", 0o600, 0)
    for folder in ("mv/inner", "gone", "rm/a/b", "swap", "under"):
        os.makedirs(f"{root}/{folder}")
        for i in range(3):
            put(f"{root}/{folder}/f{i}", b"file %d" % i, 0o644, 0)
    os.makedirs(root + "/many")
    for i in range(2000):
        put(f"{root}/many/name-{i}", b"", 0o644, 0)
