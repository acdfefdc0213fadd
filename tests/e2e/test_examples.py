"""The files in examples/, run as their comments say. (hello: test_launch.py; pipeline and sweep: test_launch_several.py)"""
import glob
import os
import shutil
import zipfile

from harness import Skip, add_programs, write
from python_volume import put_python
from test_launch import EXAMPLES

WHEELS = "/usr/share/python-wheels"


def make_wheel(folder):
    """A package `tiny` 1.0, as pip downloads one."""
    os.makedirs(folder, exist_ok=True)
    info = "tiny-1.0.dist-info"
    files = {"tiny.py": "answer = 42\n",
             f"{info}/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
             f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}
    record = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(os.path.join(folder, "tiny-1.0-py3-none-any.whl"), "w") as wheel:
        for name, text in {**files, f"{info}/RECORD": record}.items():
            wheel.writestr(name, text)


def test_venv_installs_from_a_folder_of_wheels(cluster):
    if not os.path.isdir(WHEELS):
        raise Skip("NOT TESTED: python3-venv is not installed here")
    program = put_python(cluster.live("/"))
    link = cluster.live("usr/bin/python3")
    if not os.path.lexists(link):
        os.symlink(os.path.basename(program), link)
    shutil.copytree(WHEELS, cluster.live(WHEELS), dirs_exist_ok=True)
    make_wheel(cluster.live("work/wheels"))
    for _ in range(2):
        done = cluster.devrun("launch", "-q", os.path.join(EXAMPLES, "venv.yaml"), "--env", "WHEELS=/work/wheels",
                              "--env", "PACKAGE=tiny", env=cluster.environment(HOME="/root"))
        assert done.status == 0 and done.out == b"tiny 1.0\n", done


test_venv_installs_from_a_folder_of_wheels.limit_s = 180


def put_torch(root):
    """PyTorch of this machine, with what torchrun and its training import."""
    packages = "/usr/lib/python3/dist-packages"
    about = os.path.basename(glob.glob(packages + "/torch-*")[0])
    for name in ("torch", about, "numpy", "astunparse", "certifi"):
        shutil.copytree(f"{packages}/{name}", f"{root}{packages}/{name}", dirs_exist_ok=True,
                        ignore_dangling_symlinks=True, ignore=shutil.ignore_patterns("include", "test"))
    for name in ("six.py", "typing_extensions.py"):
        shutil.copy(f"{packages}/{name}", root + packages)
    shared = [path for name in ("torch", "numpy") for path in glob.glob(f"{packages}/{name}/**/*.so*", recursive=True)]
    add_programs(root, *filter(os.path.exists, shared))
    shutil.copy(shutil.which("torchrun"), root + "/usr/bin/torchrun")
    # PyTorch 1.13 is older than Python 3.11, where going through an enum's members leaves out the zero.
    api = f"{root}{packages}/torch/distributed/elastic/multiprocessing/api.py"
    with open(api, encoding="utf-8") as file:
        text = file.read()
    write(api, text.replace("for s in Std:", "for s in Std.__members__.values():"))


def test_torchrun_trains_on_two_nodes(cluster):
    if not shutil.which("torchrun"):
        raise Skip("NOT TESTED: there is no PyTorch here to put into a volume")
    put_python(cluster.live("/"))
    put_torch(cluster.live("/"))
    shutil.copytree(EXAMPLES, cluster.live("work/examples"), dirs_exist_ok=True)
    done = cluster.devrun("shell", cluster.volume, "--", "sh", "-c", "cd /work/examples && devrun launch torchrun.yaml")
    assert done.status == 0 and done.out.count(b"weights agree: True") == 2, done


test_torchrun_trains_on_two_nodes.limit_s = 180
