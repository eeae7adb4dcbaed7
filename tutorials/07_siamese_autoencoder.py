# %% [markdown]
# # Siamese networks and autoencoders: one encoder, several uses
#
# Are these two digits the same? A *siamese* network answers by encoding both images with one encoder and measuring how
# far apart the codes lie. An *autoencoder* trains an encoder without any labels, by drawing the image again from its
# code. You will write both with variable scopes, judge them on images that they have not seen, and then put them
# together: an encoder that the autoencoder has trained, used in the siamese network.
#
# The data lie in the repository (`tutorials/data/README.md`: source and licence).

# %%
import matplotlib.pyplot as plt
import numpy as np
from tutorial_data import load_digits

import autograd_vs as av
import optim

plt.rcParams.update({"figure.figsize": (7, 3), "figure.dpi": 80, "figure.constrained_layout.use": True})
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#777777"

digits = load_digits()
images, labels = digits["train"]
test_images, test_labels = digits["test"]

# %% [markdown]
# ## 1. One encoder for two inputs
#
# The encoder is a function that asks for its variables by name. `distance` calls it twice: the scope reuses, so both
# calls get the same variables. Nothing else makes a network siamese. (The name scopes only say who asks; they are for
# the picture.)


# %%
def dense(x, units, name):
    with av.variable_scope(name):
        kernel = av.get_variable("kernel", (x.shape[-1], units))
        return av.nn.linear(x, kernel, av.get_variable("bias", (units,), initializer=av.initializers.zeros))


def encode(x, units=16):
    with av.variable_scope("encoder", reuse=av.AUTO_REUSE):
        return dense(av.nn.relu(dense(x, 128, "hidden")), units, "code")


def distance(left, right, units=16):
    """How far apart the codes of two batches of images lie: (batch,)."""
    with av.name_scope("left"):
        one = encode(left, units)
    with av.name_scope("right"):
        other = encode(right, units)
    return av.sqrt(av.sum(av.square(one - other), axis=1) + 1e-6)  # the root has no slope at 0


pair = images[:1], images[1:2]
with av.VariableStore(seed=0) as store:
    forth, back = distance(*pair), distance(*pair[::-1])
assert len(store) == 4 and forth.item() == back.item()

_, ax = plt.subplots(figsize=(7, 2.2))
ax = av.plot.sharing(store, title="Two calls, one encoder", ax=ax)

# %% [markdown]
# The gradient of the encoder is that of its left use and that of its right use, added up. To see both, we stop one of
# them at a time:

# %%
kernel = store["encoder/hidden/kernel"]


def gradient_of(left, right):
    with store, av.GradientTape() as tape:
        difference = left(encode(pair[0])) - right(encode(pair[1]))
        loss = av.sum(av.square(difference))
    return tape.gradient(loss, kernel).numpy()


both = gradient_of(lambda code: code, lambda code: code)
one, other = gradient_of(lambda code: code, av.stop_gradient), gradient_of(av.stop_gradient, lambda code: code)
assert np.allclose(both, one + other, atol=1e-5) and np.abs(one).max() > 0 and np.abs(other).max() > 0

# %% [markdown]
# ## 2. The same or not?
#
# The contrastive loss pulls pairs of the same digit together, and pushes others apart until they are a margin away
# (R. Hadsell, S. Chopra and Y. LeCun, CVPR 2006). Half of the pairs of a batch are of the same digit.


# %%
def contrastive_loss(distances, same, margin=1.0):
    apart = av.nn.relu(margin - distances)
    return av.mean(av.where(same, av.square(distances), av.square(apart)))


class Pairs:
    """Pairs of different images; every second one is of one label."""

    def __init__(self, images, labels, seed):
        self.images, self.rng = images, np.random.default_rng(seed)
        self.rows = np.argsort(labels, kind="stable")  # the images of one label side by side
        _, self.starts, self.sizes = np.unique(labels[self.rows], return_index=True, return_counts=True)

    def draw(self, n):
        """(left, right, same)"""
        same = np.arange(n) % 2 == 0
        kinds = self.rng.integers(0, len(self.sizes), n)
        others = (kinds + np.where(same, 0, self.rng.integers(1, len(self.sizes), n))) % len(self.sizes)
        one = self.rng.integers(0, self.sizes[kinds])
        further = self.rng.integers(1, self.sizes[kinds])  # never once around: no image is compared with itself
        two = np.where(same, (one + further) % self.sizes[kinds], self.rng.integers(0, self.sizes[others]))
        return *(self.images[self.rows[self.starts[k] + i]] for k, i in ((kinds, one), (others, two))), same


def train_siamese(store, pairs, steps, units=16, rate=2e-3, margin=1.0):
    """Train the encoder in `store`, which is made if it is not there."""
    optimizer, history = optim.Adam(optim.schedules.cosine(rate, steps)), av.History()
    with store:
        encode(images[:1], units)
        weights = store.trainable_variables("encoder")

        @av.function
        def step(left, right, same):
            with av.GradientTape() as tape:
                loss = contrastive_loss(distance(left, right, units), same, margin)
            optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
            return loss

        for _ in range(steps):
            history.log(loss=step(*pairs.draw(64)))
    return history


siamese = av.VariableStore(seed=0)
history = train_siamese(siamese, Pairs(images, labels, seed=0), 800)

_, ax = plt.subplots()
history.plot("loss", ax=ax, log=True, smoothing=0.9)
ax.set_title("Siamese network, contrastive loss")
assert history["loss"][-50:].mean() < 0.2 * history["loss"][:5].mean()

# %% [markdown]
# ## 3. The verdict on images that it has not seen
#
# A small distance means "the same". Whoever sets a threshold trades false alarms (pairs called the same that are not)
# for hits; the ROC curve shows all thresholds at once, and the area under it is the probability that a same pair lies
# closer than a different one. The curve takes three lines; `av.metrics.auc` gives the area. The rival is the distance
# of the images themselves, pixel by pixel.


# %%
def roc(scores, same):
    """(false alarms, hits) as shares, from the strictest threshold to the laxest."""
    same = same[np.argsort(-scores, kind="stable")]
    alarms, hits = np.cumsum(~same), np.cumsum(same)
    return np.append(0, alarms / alarms[-1]), np.append(0, hits / hits[-1])


def code_distances(store, pairs):
    with store:
        return distance(*pairs[:2]).numpy()


def pixel_distances(pairs):
    return np.linalg.norm(pairs[0] - pairs[1], axis=1)


test_pairs = Pairs(test_images, test_labels, seed=1).draw(4000)
same = test_pairs[2]
measured = {"codes": code_distances(siamese, test_pairs), "pixels": pixel_distances(test_pairs)}
areas = {name: av.metrics.auc(-d, same) for name, d in measured.items()}

_, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), width_ratios=(3, 2))
for which, color, label in ((same, BLUE, "same digit"), (~same, ORANGE, "different digits")):
    left.hist(measured["codes"][which], bins=50, range=(0, 2.5), color=color, alpha=0.7, label=label)
left.set(title="Distances of codes, test images", xlabel="distance", ylabel="pairs")
left.legend()
for (name, d), color, style in zip(measured.items(), (BLUE, GREY), ("-", "--"), strict=True):
    right.plot(*roc(-d, same), style, color=color, label=f"{name}: area {areas[name]:.3f}")
    assert np.isclose(np.trapezoid(*roc(-d, same)[::-1]), areas[name], atol=1e-4)  # ties aside, the area of the curve
right.set(title="ROC", xlabel="false alarms", ylabel="hits")
right.legend(loc="lower right")

validation_pairs = Pairs(*digits["validation"], seed=2).draw(4000)
candidates = np.linspace(0, 1.5, 151)
correct = [np.mean((code_distances(siamese, validation_pairs) < t) == validation_pairs[2]) for t in candidates]
threshold = candidates[np.argmax(correct)]
print(f"threshold {threshold:.2f}: {np.mean((measured['codes'] < threshold) == same):.1%} of the test pairs are right")
assert areas["codes"] > 0.98 > 0.9 > areas["pixels"]

# %% [markdown]
# ### Digits that it has never seen
#
# One hopes that such a network has learned what "the same" means, and can tell apart things of which it has seen none.
# We train another one with the digits 0 to 6, and ask it about pairs of 7, 8 and 9.

# %%
known, unknown = labels < 7, test_labels >= 7
partial = av.VariableStore(seed=0)
train_siamese(partial, Pairs(images[known], labels[known], seed=0), 800)
new_pairs = Pairs(test_images[unknown], test_labels[unknown], seed=1).draw(4000)
new_areas = {
    "codes": av.metrics.auc(-code_distances(partial, new_pairs), new_pairs[2]),
    "pixels": av.metrics.auc(-pixel_distances(new_pairs), new_pairs[2]),
}
print("7, 8 and 9: " + ", ".join(f"{name} {area:.2f}" for name, area in new_areas.items()))
assert 0.5 < new_areas["codes"] < new_areas["pixels"]

# %% [markdown]
# It does not work here: better than chance, and worse than pixels. Seven kinds are too few. The network has learned to
# throw away all that does not tell *these* seven apart, and some of that was needed for the others. (Where this works,
# as for faces, thousands of different ones are seen in training.) What keeps an encoder from throwing things away?
#
# ## 4. An autoencoder
#
# A decoder has to draw the image again, so the code must keep what the image is made of. No labels are needed. We add
# noise to what goes in and ask for the clean image, so that copying is of no use. Two autoencoders: one with a code of
# 16 numbers, and one of only two, which can be looked at. The rival is the best that is linear: PCA with as many
# numbers.


# %%
def decode(code):
    with av.variable_scope("decoder", reuse=av.AUTO_REUSE):
        return av.nn.sigmoid(dense(av.nn.relu(dense(code, 128, "hidden")), 64, "pixels"))


def corrupted(clean, rng, deviation=0.3):
    noise = rng.standard_normal(clean.shape, dtype=np.float32) * np.float32(deviation)
    return np.clip(clean + noise, 0, 1)


def train_autoencoder(store, steps, units, deviation):
    optimizer, rng = optim.Adam(optim.schedules.cosine(2e-3, steps)), np.random.default_rng(0)
    with store:
        decode(encode(images[:1], units))
        weights = store.trainable_variables()

        @av.function
        def step(noisy, clean):
            with av.GradientTape() as tape:
                loss = av.nn.mse(decode(encode(noisy, units)), clean)
            optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))

        for _ in range(steps):
            clean = images[rng.integers(0, len(images), 64)]
            step(corrupted(clean, rng, deviation), clean)


def restored(store, x, units):
    with store:
        return decode(encode(x, units)).numpy()


mean = images.mean(axis=0)
_, _, directions = np.linalg.svd(images - mean, full_matrices=False)


def pca(x, units):
    """(code, image drawn from it)"""
    code = (x - mean) @ directions[:units].T
    return code, code @ directions[:units] + mean


def squared_error(x):
    return float(np.mean((x - test_images) ** 2))


plane, sixteen = av.VariableStore(seed=0), av.VariableStore(seed=0)
train_autoencoder(plane, 3000, units=2, deviation=0.1)
train_autoencoder(sixteen, 3000, units=16, deviation=0.3)
noisy = corrupted(test_images, np.random.default_rng(3))

drawn = {
    "clean, 2 numbers": (squared_error(restored(plane, test_images, 2)), squared_error(pca(test_images, 2)[1])),
    "clean, 16 numbers": (squared_error(restored(sixteen, test_images, 16)), squared_error(pca(test_images, 16)[1])),
    "noisy, 16 numbers": (squared_error(restored(sixteen, noisy, 16)), squared_error(pca(noisy, 16)[1])),
}
print(f"mean squared error of a pixel; the noisy images themselves: {squared_error(noisy):.4f}")
for name, (network, linear) in drawn.items():
    print(f"{name:<20}autoencoder {network:.4f}   PCA {linear:.4f}")
    assert network < linear

# %%
rows = {
    "image": test_images,
    "noisy": noisy,
    "from 16": restored(sixteen, noisy, 16),
    "from 2": restored(plane, noisy, 2),
}
_, axes = plt.subplots(4, 12, figsize=(7, 2.9))
for line, (name, pictures) in zip(axes, rows.items(), strict=True):
    for ax, picture in zip(line, pictures, strict=False):
        ax.imshow(picture.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
    line[0].set_ylabel(name, rotation=0, ha="right", va="center")

# %% [markdown]
# With sixteen numbers the noise is gone and the digits are there. With two, each image becomes something like the
# typical digit of its neighbourhood.
#
# ## 5. Three maps of the same images
#
# Each test image as its digit, at its code of two numbers. PCA knows no labels and may only turn and project; the
# autoencoder knows no labels, either, but may bend; the siamese network knows which pairs are the same.

# %%
flat = av.VariableStore(seed=0)
train_siamese(flat, Pairs(images, labels, seed=0), 1500, units=2)


def codes_of(store, x, units):
    with store:
        return encode(x, units).numpy()


maps = {
    "PCA": pca(test_images, 2)[0],
    "Autoencoder": codes_of(plane, test_images, 2),
    "Siamese": codes_of(flat, test_images, 2),
}
near = {}  # the share of images whose nearest neighbour is of their own kind
_, axes = plt.subplots(1, 3, figsize=(10, 3.5))
for ax, (name, code) in zip(axes, maps.items(), strict=True):
    for digit in range(10):
        which = test_labels == digit
        ax.scatter(*code[which].T, s=30, marker=f"${digit}$", lw=0.3, color=plt.cm.tab10(digit))
    apart = np.linalg.norm(code[:, None] - code, axis=2) + np.diag(np.full(len(code), np.inf))
    near[name] = np.mean(test_labels[apart.argmin(axis=1)] == test_labels)
    ax.set(title=f"{name} ({near[name]:.0%})", xlabel="first number", xticks=[], yticks=[])
axes[0].set_ylabel("second number")
assert near["PCA"] < near["Autoencoder"] < near["Siamese"]

# %% [markdown]
# In brackets: how many images have one of their own kind as the nearest neighbour. Labels make islands. Without them
# there are regions, some of which overlap: an image is a 3 or a 9 to somebody who draws, before it is one to somebody
# who counts.
#
# ## 6. Both together
#
# Labels are dear, images are not. Say that only five images of each digit have labels, and that we have all images
# without. The encoder that the autoencoder trained lies in a scope of the same name, so its values go over by name, and
# the siamese training goes on from there. One thing has to fit: the codes of the autoencoder lie several units apart,
# and a margin of 1 would ask nothing of them. We take the median distance of a few pairs as margin.


# %%
def few_labels(seed, each=5):
    rng = np.random.default_rng(seed)
    chosen = [rng.permutation(np.flatnonzero(labels == digit))[:each] for digit in range(10)]
    rows = np.concatenate(chosen)
    return Pairs(images[rows], labels[rows], seed)


def pretrained():
    """A new store with the encoder of the autoencoder."""
    store = av.VariableStore()
    with store:
        encode(images[:1])
        for v in sixteen.variables("encoder"):
            store[v.op.name].assign(v)
    return store


def area(store):
    return av.metrics.auc(-code_distances(store, test_pairs), same)


usual = float(np.median(code_distances(sixteen, Pairs(images, labels, seed=3).draw(1000))))
table = {"from scratch": [], "pretrained": [], "pretrained, margin of 1": []}
for seed in range(3):  # which images have labels makes a difference
    for name, store, settings in (
        ("from scratch", av.VariableStore(seed=seed), {}),
        ("pretrained", pretrained(), {"margin": usual, "rate": 1e-3}),
        ("pretrained, margin of 1", pretrained(), {"rate": 1e-3}),
    ):
        train_siamese(store, few_labels(seed), 200, **settings)
        table[name].append(area(store))

print(f"median distance between codes of the autoencoder: {usual:.1f}\n")
print("area under the ROC curve, test pairs")
print(f"{'pixels':<32}{areas['pixels']:.3f}")
print(f"{'autoencoder, no labels at all':<32}{area(sixteen):.3f}")
for name, found in table.items():
    print(f"{name:<32}{np.mean(found):.3f}   ({', '.join(f'{a:.3f}' for a in found)})")
print(f"{'from scratch, all labels':<32}{areas['codes']:.3f}")
assert areas["pixels"] < area(sixteen) < np.mean(table["pretrained"]) < areas["codes"]
assert np.mean(table["pretrained"]) > np.mean(table["from scratch"])
assert np.mean(table["pretrained, margin of 1"]) < np.mean(table["from scratch"])

# %% [markdown]
# The autoencoder's codes are a better measure than pixels, without one label. Fifty labels on top of that make it
# better still, and better than the same fifty labels alone. With the wrong margin all of that is lost: the loss then
# has nothing to push apart, and pulls everything together. 1197 labels beat it all: pretraining is for those who lack
# them.
#
# And it did keep what the other network threw away:

# %%
kept = av.metrics.auc(-code_distances(sixteen, new_pairs), new_pairs[2])
print(f"pairs of 7, 8 and 9: autoencoder {kept:.2f}, siamese that knows 0 to 6 {new_areas['codes']:.2f}")
assert kept > new_areas["codes"]

# %% [markdown]
# (It has seen those digits, only without being told what they are.)
#
# **To try**: the sum of both losses in one step, with `encode` called three times (there is one encoder, whatever calls
# it); `av.nn.triplet_margin` in the place of pairs; two labels of each digit, where going on from the codes makes them
# worse.
