"""Trains a small network to tell three spirals apart; NumPy alone. Prints the loss of each epoch, writes a checkpoint."""
import os
import time

import numpy as np

epochs = 10
hidden = 32
learning_rate = 0.5


def spirals(points, classes, rng):
    """Points on the arms of a spiral, and which arm each is on."""
    x = np.zeros((points * classes, 2))
    y = np.repeat(np.arange(classes), points)
    for arm in range(classes):
        radius = np.linspace(0.0, 1.0, points)
        angle = np.linspace(arm * 4, arm * 4 + 4, points) + rng.normal(size=points) * 0.2
        x[arm * points:(arm + 1) * points] = np.c_[radius * np.sin(angle), radius * np.cos(angle)]
    return x, y


def train(x, y, classes, rng):
    w1 = rng.normal(size=(2, hidden)) * 0.5
    w2 = rng.normal(size=(hidden, classes)) * 0.5
    b1, b2 = np.zeros(hidden), np.zeros(classes)
    began = time.time()
    for epoch in range(1, epochs + 1):
        for _ in range(200):
            h = np.maximum(0, x @ w1 + b1)
            scores = h @ w2 + b2
            p = np.exp(scores - scores.max(axis=1, keepdims=True))
            p /= p.sum(axis=1, keepdims=True)
            loss = -np.log(p[np.arange(len(y)), y]).mean()
            d = p
            d[np.arange(len(y)), y] -= 1
            d /= len(y)
            dh = (d @ w2.T) * (h > 0)
            w2 -= learning_rate * (h.T @ d)
            b2 -= learning_rate * d.sum(axis=0)
            w1 -= learning_rate * (x.T @ dh)
            b1 -= learning_rate * dh.sum(axis=0)
        right = (scores.argmax(axis=1) == y).mean()
        print(f"epoch {epoch:2d}  loss {loss:.4f}  accuracy {right:.1%}  {time.time() - began:.1f} s", flush=True)
    return {"w1": w1, "b1": b1, "w2": w2, "b2": b2}


def main():
    print(f"training on {os.uname().nodename}: {hidden} hidden units, {epochs} epochs", flush=True)
    rng = np.random.default_rng(0)
    x, y = spirals(300, 3, rng)
    weights = train(x, y, 3, rng)
    np.savez("checkpoint.npz", **weights)
    print(f"wrote checkpoint.npz, {os.path.getsize('checkpoint.npz')} bytes")


main()
