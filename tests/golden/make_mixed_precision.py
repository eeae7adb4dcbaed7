"""Write `mixed_precision.json`: three steps of a small network in PyTorch with float32 weights and half computation.

Casts stand where "Mixed precision training" (Micikevicius et al., ICLR 2018) has them: products and activations in half
precision, the normalization, the softmax and the loss in float32.

Run with a Python that has PyTorch::

    python tests/golden/make_mixed_precision.py
"""

import torch
import torch.nn.functional as F
from writer import write

SHAPES = {
    "hidden/kernel": (6, 16),
    "hidden/bias": (16,),
    "norm/gamma": (16,),
    "norm/beta": (16,),
    "out/kernel": (16, 4),
}


def network(w, x, half):
    h = torch.relu(x.to(half) @ w["hidden/kernel"].to(half) + w["hidden/bias"].to(half))
    h = F.layer_norm(h.float(), (16,), w["norm/gamma"], w["norm/beta"]).to(half)
    return h @ w["out/kernel"].to(half)


def case(half):
    torch.manual_seed(0)
    w = {name: torch.randn(shape).mul(0.5).requires_grad_() for name, shape in SHAPES.items()}
    x, labels = torch.randn(12, 6), torch.randint(0, 4, (12,))
    weights = {name: v.detach().clone().tolist() for name, v in w.items()}
    optimizer = torch.optim.SGD(w.values(), lr=0.5)
    steps = []
    for _ in range(3):
        logits = network(w, x, half)
        loss = F.cross_entropy(logits.float(), labels)
        optimizer.zero_grad()
        (loss * 1024.0).backward()
        for v in w.values():
            v.grad /= 1024.0
        gradients = {k: v.grad.clone().tolist() for k, v in w.items()}
        optimizer.step()
        steps.append({"logits": logits.float().tolist(), "loss": loss.item(), "gradients": gradients})
    return {"weights": weights, "x": x.tolist(), "labels": labels.tolist(), "steps": steps}


if __name__ == "__main__":
    header = {"with": f"PyTorch {torch.__version__}", "rate": 0.5, "scale": 1024.0}
    write(__file__, header, {"float16": case(torch.float16), "bfloat16": case(torch.bfloat16)})
