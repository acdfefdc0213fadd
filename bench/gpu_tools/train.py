"""A small transformer in bf16 on one GPU, for bench/gpu. Prints one line of JSON: when the first kernel had run, and tokens
per second over the steps after the warm-up. `--stand-in`: no PyTorch and no GPU, only as much arithmetic, to test the bench.
"""
import argparse
import json
import time

BATCH, LENGTH, WIDTH, HEADS, LAYERS, WORDS = 16, 512, 768, 12, 8, 32000


def report(first_kernel, tokens, seconds, device):
    print(json.dumps({"first_kernel_s": first_kernel, "tokens_per_s": tokens / seconds, "device": device}), flush=True)


def stand_in(steps):
    def step():
        return sum(i * i for i in range(200_000))
    step()
    first = time.time()
    began = time.perf_counter()
    for _ in range(steps):
        step()
    report(first, steps * BATCH * LENGTH, time.perf_counter() - began, "none")


def train(steps):
    import torch
    from torch import nn
    assert torch.cuda.is_available(), "no CUDA device"
    x = torch.ones(1024, device="cuda")
    (x + x).sum().item()  # waits for it
    first = time.time()
    torch.manual_seed(1)

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.words = nn.Embedding(WORDS, WIDTH)
            self.places = nn.Parameter(torch.zeros(1, LENGTH, WIDTH))
            layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, dropout=0.0, batch_first=True, norm_first=True)
            self.layers = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
            self.out = nn.Linear(WIDTH, WORDS, bias=False)

        def forward(self, tokens, mask):
            return self.out(self.layers(self.words(tokens) + self.places, mask=mask, is_causal=True))

    model = Model().cuda()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, fused=True)
    mask = nn.Transformer.generate_square_subsequent_mask(LENGTH, device="cuda")
    tokens = torch.randint(WORDS, (BATCH, LENGTH + 1), device="cuda")

    def step():
        with torch.autocast("cuda", dtype=torch.bfloat16):
            logits = model(tokens[:, :-1], mask)
            loss = nn.functional.cross_entropy(logits.view(-1, WORDS), tokens[:, 1:].reshape(-1))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    for _ in range(max(10, steps // 10)):
        step()
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(steps):
        step()
    torch.cuda.synchronize()
    report(first, steps * BATCH * LENGTH, time.perf_counter() - began, torch.cuda.get_device_name(0))


parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=200)
parser.add_argument("--stand-in", action="store_true")
options = parser.parse_args()
if options.stand_in:
    stand_in(options.steps)
else:
    train(options.steps)
