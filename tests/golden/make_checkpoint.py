"""Write `pytorch_model.safetensors`, a state_dict as PyTorch users save it, and `checkpoint.json`, what it computes.

Run with a Python that has PyTorch and safetensors::

    python tests/golden/make_checkpoint.py
"""

from pathlib import Path

import safetensors
import torch
from safetensors.torch import save_file
from writer import write

torch.manual_seed(20261121)


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(2, 3, (3, 2))
        self.norm = torch.nn.BatchNorm2d(3)
        self.fc = torch.nn.Linear(3, 4)

    def forward(self, x):
        h = torch.relu(self.norm(self.conv(x)))
        return self.fc(h.mean((2, 3)))


model = Model()
for _ in range(3):  # running statistics of its own
    model(torch.randn(8, 2, 6, 5) * 2 + 1)
model.eval()
x = torch.randn(3, 2, 6, 5)
save_file(model.state_dict(), Path(__file__).with_name("pytorch_model.safetensors"), metadata={"format": "pt"})
header = {"torch": torch.__version__, "safetensors": safetensors.__version__, "dtype": "float32"}
write(__file__, header, {"eval": {"x": x.tolist(), "y": model(x).tolist()}})
