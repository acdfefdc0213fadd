"""Python of this machine in the root of a volume."""
import glob
import os
import shutil

from harness import add_programs


def put_python(root):
    """The path of its program, which runs in a job on that volume."""
    program = os.path.realpath("/usr/bin/python3")
    library = glob.glob("/usr/lib/python3.[0-9]*")[0]
    add_programs(root, program, *glob.glob(library + "/lib-dynload/*.so"))
    shutil.copytree(library, root + library, dirs_exist_ok=True,
                    ignore=shutil.ignore_patterns("test", "__pycache__", "idlelib", "config-*", "dist-packages"))
    return program
