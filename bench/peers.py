"""What the peers share: one way of training for each of them, given a loss as its users would write it.

Each of these makes the step of a variant from ``loss(p, *batch)``, the initial parameters `p` by name, and batches that
are taken in turn. All train with Adam; `sgd` is for the libraries where that is a line.
"""

from functools import partial
from itertools import cycle

from by_hand import BETA_1, BETA_2, EPSILON, LEARNING_RATE
from by_hand import Adam as AdamByHand


def as_numpy(value):
    """A result of any of the libraries as an array."""
    import numpy as np

    if hasattr(value, "detach"):  # PyTorch
        value = value.detach().cpu()
    if hasattr(value, "numpy"):  # PyTorch, TensorFlow and ours
        value = value.numpy()
    for held in ("array", "data"):  # Chainer; MyGrad
        if isinstance(getattr(value, held, None), np.ndarray):
            value = getattr(value, held)
    return np.asarray(value)


class LeftOut(Exception):
    """What a variant raises that cannot be had here: it is no mistake, and is not timed."""


def torch_adam(parameters, fused=False):
    import torch

    choice = {"fused": True} if fused else {}
    return torch.optim.Adam(parameters, lr=LEARNING_RATE, betas=(BETA_1, BETA_2), eps=EPSILON, **choice)


def torch_step(loss, parameters, batches, optimizer=torch_adam):
    """`optimizer` makes one of the list of parameters."""
    import torch

    p = {name: torch.nn.Parameter(torch.tensor(array)) for name, array in parameters.items()}
    return torch_loop(partial(loss, p), list(p.values()), batches, optimizer)


def torch_loop(loss, parameters, batches, optimizer=torch_adam):
    """``loss(*batch)`` of a list of parameters."""
    batches = torch_batches(batches)
    optimizer = optimizer(parameters)

    def step():
        optimizer.zero_grad(set_to_none=True)
        value = loss(*next(batches))
        value.backward()
        optimizer.step()
        return value

    return step


def torch_fused(loss, parameters, batches):
    return torch_step(loss, parameters, batches, partial(torch_adam, fused=True))


def torch_batches(batches):
    """Forever, in turn. One that is alone stays where it is, which saves CUDA graphs a copy."""
    import torch

    batches = [[torch.tensor(array) for array in batch] for batch in batches]
    return cycle([torch_static(batches[0])] if len(batches) == 1 else batches)


def torch_static(tensors):
    """Tell PyTorch's compiler that these stay where they are: CUDA graphs take them, and change them, in place."""
    import torch

    if on_gpu():
        for tensor in tensors:
            torch._dynamo.mark_static_address(tensor)
    return tensors


def on_gpu():
    """Whether PyTorch's tensors are made there, in this `with`."""
    import torch

    return torch.get_default_device().type == "cuda"


def torch_compile(function):
    """On a GPU with CUDA graphs."""
    import torch

    return torch.compile(function, mode="reduce-overhead" if on_gpu() else None)


def torch_compiled_model(loss, parameters, batches):
    """Loss and gradients compiled, beside them fused Adam: what PyTorch's tutorials do."""
    return torch_fused(torch_compile(loss), parameters, batches)


def torch_compiled(loss, parameters, batches):
    """The whole step as one graph, its state changed in place: the fastest where the update counts."""
    import torch

    p, m, v, count = torch_state(parameters)
    batches = torch_batches(batches)

    @torch_compile
    def train(p, m, v, count, *batch):
        gradients, value = torch.func.grad_and_value(loss)(p, *batch)
        torch_adam_in_place(p, gradients, m, v, count)
        return value

    return lambda: train(p, m, v, count, *next(batches))


def torch_state(parameters):
    """Parameters, both moments, number of the last step."""
    import torch

    p = {name: torch.tensor(array) for name, array in parameters.items()}
    m, v = ({name: torch.zeros_like(t) for name, t in p.items()} for _ in "mv")
    count = torch.zeros(())
    torch_static([*p.values(), *m.values(), *v.values(), count])
    return p, m, v, count


def torch_adam_in_place(p, g, m, v, count):
    """Adam in operations that PyTorch's compiler fuses."""
    count.add_(1)
    rate, root = LEARNING_RATE / (1 - BETA_1**count), (1 - BETA_2**count) ** 0.5
    for name in p:
        m[name].mul_(BETA_1).add_(g[name], alpha=1 - BETA_1)
        v[name].mul_(BETA_2).addcmul_(g[name], g[name], value=1 - BETA_2)
        p[name].sub_(rate * m[name] / (v[name].sqrt() / root + EPSILON))


def jax_adam(p, g, m, v, count):
    """The new p, m, v of nests of arrays."""
    import jax

    rate, root = LEARNING_RATE / (1 - BETA_1**count), (1 - BETA_2**count) ** 0.5
    m = jax.tree.map(lambda m, g: BETA_1 * m + (1 - BETA_1) * g, m, g)
    v = jax.tree.map(lambda v, g: BETA_2 * v + (1 - BETA_2) * g * g, v, g)
    update = partial(jax.tree.map, lambda p, m, v: p - rate * m / (jax.numpy.sqrt(v) / root + EPSILON))
    return update(p, m, v), m, v


def jax_step(loss, parameters, batches, sgd=None):
    """The whole step under `jit`, its state donated; `sgd` is a learning rate."""
    import jax

    def train(state, *batch):
        p, m, v, count = state
        value, gradients = jax.value_and_grad(loss)(p, *batch)
        if sgd:
            p = jax.tree.map(lambda p, g: p - sgd * g, p, gradients)
        else:
            p, m, v = jax_adam(p, gradients, m, v, count)
        return (p, m, v, count + 1), value

    return jax_loop(train, jax_state(parameters, moments=not sgd), batches)


def jax_state(parameters, moments=True):
    """Parameters, both moments, number of the next step."""
    import jax

    p = {name: jax.numpy.array(array) for name, array in parameters.items()}
    m, v = (jax.tree.map(jax.numpy.zeros_like, p if moments else {}) for _ in "mv")
    return p, m, v, jax.numpy.float32(1)


def jax_loop(train, state, batches):
    """``train(state, *batch) -> state, value`` as a step."""
    import jax

    batches = cycle([[jax.numpy.array(array) for array in batch] for batch in batches])
    train = jax.jit(train, donate_argnums=0)

    def step():
        nonlocal state
        state, value = train(state, *next(batches))
        return value

    return step


def tensorflow_adam(p):
    """``update(gradients)`` by TensorFlow's own kernel, which is also Keras' formula."""
    import tensorflow as tf

    moments = [(tf.Variable(tf.zeros_like(v)), tf.Variable(tf.zeros_like(v))) for v in p]
    powers = tf.Variable(BETA_1), tf.Variable(BETA_2)

    def update(gradients):
        for v, g, (m, s) in zip(p, gradients, moments, strict=True):
            tf.raw_ops.ResourceApplyAdam(
                var=v.handle, m=m.handle, v=s.handle, beta1_power=powers[0], beta2_power=powers[1], lr=LEARNING_RATE,
                beta1=BETA_1, beta2=BETA_2, epsilon=EPSILON, grad=tf.convert_to_tensor(g),
            )  # fmt: skip
        powers[0].assign(powers[0] * BETA_1)
        powers[1].assign(powers[1] * BETA_2)

    return update


def tensorflow_step(loss, parameters, batches, eager=False, sgd=None):
    import tensorflow as tf

    p = {name: tf.Variable(array) for name, array in parameters.items()}
    variables = list(p.values())
    batches = cycle([[tf.constant(array) for array in batch] for batch in batches])
    adam = None if sgd else tensorflow_adam(variables)

    def train(*batch):
        with tf.GradientTape() as tape:
            value = loss(p, *batch)
        gradients = tape.gradient(value, variables)
        if adam:
            adam(gradients)
        else:
            for v, g in zip(variables, gradients, strict=True):
                if isinstance(g, tf.IndexedSlices):
                    v.scatter_sub(tf.IndexedSlices(g.values * sgd, g.indices))
                else:
                    v.assign_sub(g * sgd)
        return value

    train = train if eager else tf.function(train)
    return lambda: train(*next(batches))


def autograd_step(loss, parameters, batches, sgd=None):
    """Adam is ours by hand: its own works on one flat vector with new arrays at each step."""
    from autograd import value_and_grad

    p = {name: array.copy() for name, array in parameters.items()}
    batches = cycle(batches)
    update = numpy_update(list(p.values()), sgd)
    both = value_and_grad(loss)

    def step():
        value, gradients = both(p, *next(batches))
        update([gradients[name] for name in p])
        return value

    return step


def mygrad_step(loss, parameters, batches, sgd=None):
    import mygrad

    p = {name: mygrad.tensor(array.copy()) for name, array in parameters.items()}
    batches = cycle(batches)
    update = numpy_update([t.data for t in p.values()], sgd)

    def step():
        value = loss(p, *next(batches))
        value.backward()
        update([t.grad for t in p.values()])
        for t in p.values():
            t.null_grad()
        return value

    return step


def numpy_update(arrays, sgd):
    """For libraries without optimizers: the change of arrays, in place."""
    if not sgd:
        return AdamByHand(arrays).step

    def update(gradients):
        for array, gradient in zip(arrays, gradients, strict=True):
            array -= sgd * gradient

    return update


def chainer_adam():
    from chainer import optimizers

    return optimizers.Adam(alpha=LEARNING_RATE, beta1=BETA_1, beta2=BETA_2, eps=EPSILON)


def chainer_step(loss, parameters, batches, optimizer=chainer_adam):
    """`optimizer` makes one."""
    import chainer

    link = chainer.Link()
    with link.init_scope():
        for name, array in parameters.items():
            setattr(link, name, chainer.Parameter(array.copy()))
    p = {name: getattr(link, name) for name in parameters}
    batches = cycle(batches)
    optimizer = optimizer().setup(link)

    def step():
        link.cleargrads()
        value = loss(p, *next(batches))
        value.backward()
        optimizer.update()
        return value

    return step
