"""A driver of GPUs that are not there, for tests: the doubles of libnvidia-ml and libcuda, device nodes that no driver serves."""
import os
import shutil
import stat

MINORS = (240, 241, 242, 243)
TYPES = ("NVIDIA H100 80GB HBM3", "NVIDIA A100-SXM4-40GB", "NVIDIA H100 80GB HBM3", "NVIDIA A100-SXM4-40GB")
LIBRARIES = "usr/lib/x86_64-linux-gnu"


def make_node(root, name, minor):
    path = os.path.join(root, "dev", name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(195, minor))


def make_driver(cluster, types=TYPES):
    """A driver root: the double, what it is to say, device nodes, and files that are bound into jobs."""
    root = os.path.join(cluster.home, "driver")
    libraries = os.path.join(root, LIBRARIES)
    for folder in (libraries, os.path.join(root, "usr/bin"), os.path.join(root, "dev"), os.path.join(root, "etc/cdi")):
        os.makedirs(folder)
    doubles = os.path.join(os.path.dirname(cluster.bin), "double")
    shutil.copy(os.path.join(doubles, "libnvidia-ml.so.1"), libraries)
    shutil.copy(os.path.join(doubles, "libcuda.so.1"), libraries)
    with open(os.path.join(libraries, "gpus"), "w", encoding="ascii") as file:
        for index, name in enumerate(types):
            file.write(f"{240 + index}\t{80 << 30}\tGPU-0000-{index}\t{name}\n")
    for index in range(len(types)):
        make_node(root, f"nvidia{240 + index}", 240 + index)
    make_node(root, "nvidiactl", 255)
    make_node(root, "nvidia-uvm", 254)
    shutil.copy("/bin/busybox", os.path.join(root, "usr/bin/nvidia-smi"))
    return root


def put(path, text):
    """All at once, for whoever reads it meanwhile."""
    with open(path + ".new", "w", encoding="ascii") as file:
        file.write(text)
    os.rename(path + ".new", path)


def set_state(root, *lines):
    """What is the matter with the GPUs (tests/double/nvml.cc)."""
    put(os.path.join(root, LIBRARIES, "state"), "".join(line + "\n" for line in lines))
