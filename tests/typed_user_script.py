"""A small training program as a user writes it, with types: tests/test_typing.py checks it with ``mypy --strict``."""

from collections.abc import Callable
from typing import assert_type

import numpy as np
from numpy.typing import NDArray

import autograd_vs as av
import optim

Array = NDArray[np.float32]


def dense(x: av.Tensor, units: int, activation: Callable[[av.Tensor], av.Tensor] | None = None) -> av.Tensor:
    kernel = av.get_variable("kernel", (x.shape[-1], units), initializer=av.initializers.he_normal())
    bias = av.get_variable("bias", (units,), initializer=av.initializers.zeros())
    y = x @ kernel + bias
    return y if activation is None else activation(y)


def model(x: av.Tensor, training: bool) -> av.Tensor:
    with av.variable_scope("model", reuse=av.AUTO_REUSE):
        with av.variable_scope("hidden"):
            h = dense(x, 16, av.nn.relu)
            h = av.nn.dropout(h, 0.1, training=training)
        with av.variable_scope("out") as scope:
            name: str = scope.name
            assert name == "model/out"
            return dense(h, 2)


def accuracy(logits: av.Tensor, labels: Array) -> float:
    return float((logits.argmax(axis=-1) == labels).astype(np.float32).mean())


def train(x: Array, labels: Array, steps: int) -> tuple[av.History, float]:
    history = av.History()
    optimizer: optim.Optimizer = optim.AdamW(optim.schedules.cosine(0.05, steps), weight_decay=1e-3)
    batch = av.asarray(x)
    for step in av.progress(range(steps), "training"):
        with av.GradientTape() as tape:
            logits = model(batch, training=True)
            loss = av.nn.softmax_cross_entropy(logits, labels.astype(np.int64)).mean()
            loss = loss + 1e-4 * av.sum(av.square(logits))
        variables: list[av.Variable] = av.trainable_variables("model")
        gradients, norm = optim.clip_by_global_norm(tape.gradient(loss, variables), 1.0)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        history.log(step, loss=loss, norm=norm)
    return history, accuracy(model(batch, training=False), labels)


def energy(x: av.Tensor) -> av.Tensor:
    assert_type(x, av.Tensor)
    rotated = av.stack([-x[1], 2.0 * x[0]])
    assert_type(rotated, av.Tensor)
    assert_type(x.T.reshape(-1, 1).sum(axis=0, keepdims=True), av.Tensor)
    assert_type(av.sum(x, axis=0) > 0, av.Tensor)
    assert_type(av.tanh(x).at[0].set(1.0), av.Tensor)
    assert_type(av.split(x, 2), tuple[av.Tensor, ...])
    assert_type(divmod(x, 2.0), tuple[av.Tensor, av.Tensor])
    assert_type([row for row in x], list[av.Tensor])
    assert_type(x.nonzero(), tuple[av.Tensor, ...])
    assert x.numpy().shape == x.shape
    return (rotated**2 + abs(x) / (1.0 + x * x)).sum()


def main() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 4)).astype(np.float32)
    with av.VariableStore(seed=0) as store:
        history, share = train(x, (x[:, 0] > 0).astype(np.float32), 100)
        bias = store["model/out/bias"]
        assert_type(bias.assign_sub(0.5 * bias), av.Variable)
    x0 = av.Tensor([0.5, 2.0])
    value, slope = av.value_and_grad(energy)(x0)
    v = av.Variable([1.0, 2.0], name="v")
    v.assign(v * 2 - 1)
    curvature = av.hvp(energy, x0, av.Tensor([1.0, 0.0]))
    print(history.last("loss") < 0.3, share > 0.9, bias.numpy(), value.item(), slope.numpy(), curvature.numpy(), v)


if __name__ == "__main__":
    main()
