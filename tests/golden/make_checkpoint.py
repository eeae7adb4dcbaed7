"""Write state_dicts as PyTorch users save them, and `checkpoint.json`, what their models compute.

`pytorch_model.safetensors` is an image model; `pytorch_text.safetensors` and `.npz` a language model with tied weights,
which the first holds once and the second twice; `pytorch_bfloat16.safetensors` one array of bfloat16.

Run with a Python that has PyTorch and safetensors::

    python tests/golden/make_checkpoint.py
"""

from pathlib import Path

import numpy as np
import safetensors
import torch
from safetensors.torch import save_file, save_model
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
here = Path(__file__)
save_file(model.state_dict(), here.with_name("pytorch_model.safetensors"), metadata={"format": "pt"})


class Text(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(7, 4)
        self.lstm = torch.nn.LSTM(4, 4, batch_first=True)
        self.norm = torch.nn.LayerNorm(4)
        self.out = torch.nn.Linear(4, 7, bias=False)
        self.out.weight = self.embed.weight

    def forward(self, ids):
        return self.out(self.norm(self.lstm(self.embed(ids))[0]))


text = Text()
with torch.no_grad():
    text.norm.weight.normal_(), text.norm.bias.normal_()
ids = torch.randint(7, (2, 5))
save_model(text, here.with_name("pytorch_text.safetensors"))
np.savez(here.with_name("pytorch_text.npz"), **{name: t.numpy() for name, t in text.state_dict().items()})

numbers = torch.tensor([[1.0, -2.5, 3.14159], [1e-40, 3e38, float("-inf")]]).bfloat16()
save_file({"numbers": numbers}, here.with_name("pytorch_bfloat16.safetensors"))

header = {"torch": torch.__version__, "safetensors": safetensors.__version__, "dtype": "float32"}
cases = {
    "eval": {"x": x.tolist(), "y": model(x).tolist()},
    "text": {"ids": ids.tolist(), "y": text(ids).tolist()},
    "bfloat16": numbers.float().tolist(),
}
write(__file__, header, cases)
