#!/usr/bin/env python3
"""DistributedDataParallel on CPUs: a linear model learns to sum its inputs, each rank with its own share of the data.

Started by torchrun, which sets RANK, WORLD_SIZE and the rest; all ranks must end with the same weights.
"""
import argparse

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=20)
    steps = parser.parse_args().steps
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    torch.manual_seed(rank)
    model = DistributedDataParallel(torch.nn.Linear(8, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    loss = torch.tensor(0.0)
    for _ in range(steps):
        inputs = torch.randn(64, 8)
        loss = (model(inputs) - inputs.sum(1, keepdim=True)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    total = torch.cat([p.detach().flatten() for p in model.parameters()]).sum()
    lowest, highest = total.clone(), total.clone()
    dist.all_reduce(lowest, op=dist.ReduceOp.MIN)
    dist.all_reduce(highest, op=dist.ReduceOp.MAX)
    same = bool(torch.allclose(lowest, highest))
    print(f"rank {rank} of {dist.get_world_size()}: loss {loss.item():.4f}, weights agree: {same}", flush=True)
    dist.destroy_process_group()
    raise SystemExit(0 if same else 1)


if __name__ == "__main__":
    main()
