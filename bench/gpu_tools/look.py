"""What a process sees of GPUs, for bench/gpu: one line of JSON. `--stand-in`: without PyTorch, the device nodes alone."""
import json
import os
import re
import sys

nodes = sorted(name for name in os.listdir("/dev") if re.fullmatch(r"nvidia\d+", name))
opened = []
for name in nodes:
    try:
        os.close(os.open("/dev/" + name, os.O_RDWR))
        opened.append(name)
    except OSError:
        pass
out = {"device_nodes": nodes, "can_open": opened, "cuda_visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES")}
if "--stand-in" not in sys.argv:
    import torch
    out["cuda_devices"] = torch.cuda.device_count()
print(json.dumps(out))
