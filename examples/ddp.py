#!/usr/bin/env python3
"""Data-parallel linear regression: NumPy, and sockets from the standard library.

Every rank draws its own share of the data and computes a gradient; all ranks then apply the mean of the gradients
(an all-reduce through rank 0) and so hold the same model at every step. Who is who comes from the environment:
SKYPILOT_NODE_RANK, SKYPILOT_NUM_NODES, MASTER_ADDR and MASTER_PORT. Rank 0 writes the model to ddp-model.npz.
"""
import argparse
import os
import socket
import struct
import time

import numpy as np

CONNECT_SECONDS = 60
FEATURES = 8
ROWS_PER_RANK = 2000


def receive(peer, size):
    data = b""
    while len(data) < size:
        piece = peer.recv(size - len(data))
        if not piece:
            raise ConnectionError("a rank went away")
        data += piece
    return data


def send_array(peer, array):
    data = array.astype("<f8").tobytes()
    peer.sendall(struct.pack("<I", len(data)) + data)


def receive_array(peer):
    (size,) = struct.unpack("<I", receive(peer, 4))
    return np.frombuffer(receive(peer, size), dtype="<f8")


def connect(address, port):
    """Rank 0 may start a little later than the others."""
    deadline = time.monotonic() + CONNECT_SECONDS
    while True:
        try:
            peer = socket.create_connection((address, port), timeout=CONNECT_SECONDS)
            peer.settimeout(None)
            return peer
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


class Ranks:
    """A star with rank 0 in its middle."""

    def __init__(self, rank, world, address, port):
        self.rank = rank
        self.world = world
        self.peers = []
        if world == 1:
            return
        if rank == 0:
            with socket.create_server(("", port), backlog=world) as server:
                server.settimeout(CONNECT_SECONDS)
                by_rank = {}
                while len(by_rank) < world - 1:
                    peer, _ = server.accept()
                    peer.settimeout(None)
                    by_rank[struct.unpack("<I", receive(peer, 4))[0]] = peer
            # Always summed in the order of ranks, so that equal runs give equal bits.
            self.peers = [by_rank[other] for other in sorted(by_rank)]
        else:
            peer = connect(address, port)
            peer.sendall(struct.pack("<I", rank))
            self.peers = [peer]

    def mean(self, array):
        """The same on every rank."""
        if self.rank == 0:
            total = array.copy()
            for peer in self.peers:
                total += receive_array(peer)
            total /= self.world
            for peer in self.peers:
                send_array(peer, total)
            return total
        send_array(self.peers[0], array)
        return receive_array(self.peers[0])


def share_of_data(rank):
    truth = np.linspace(-2.0, 2.0, FEATURES)
    generator = np.random.default_rng(1000 + rank)
    inputs = generator.normal(size=(ROWS_PER_RANK, FEATURES))
    return inputs, inputs @ truth + generator.normal(scale=0.01, size=ROWS_PER_RANK)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--learning-rate", type=float, default=0.1)
    options = parser.parse_args()

    rank = int(os.environ.get("SKYPILOT_NODE_RANK", "0"))
    world = int(os.environ.get("SKYPILOT_NUM_NODES", "1"))
    ranks = Ranks(rank, world, os.environ.get("MASTER_ADDR", "127.0.0.1"), int(os.environ.get("MASTER_PORT", "29500")))
    inputs, targets = share_of_data(rank)
    weights = np.zeros(FEATURES)
    loss = 0.0
    for epoch in range(options.epochs):
        error = inputs @ weights - targets
        gradient = 2 * inputs.T @ error / len(targets)
        # The loss travels with the gradient.
        shared = ranks.mean(np.append(gradient, np.mean(error**2)))
        weights -= options.learning_rate * shared[:-1]
        loss = shared[-1]
        if rank == 0 and (epoch % 5 == 0 or epoch == options.epochs - 1):
            print(f"epoch {epoch:3d}  loss {loss:.6f}", flush=True)
    # Every rank prints the same sum, or the all-reduce is wrong.
    print(f"rank {rank} of {world}: weights sum to {weights.sum():.12f}, loss {loss:.6f}", flush=True)
    if rank == 0:
        np.savez("ddp-model.npz", weights=weights, loss=loss)


if __name__ == "__main__":
    main()
