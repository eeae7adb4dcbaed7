# %% [markdown]
# # A transformer that writes characters
#
# A small transformer reads two plays of Shakespeare, one character after the other, and learns to say which one comes
# next. You will be able to build it from `av.layers`, tie its first and last matrix by name, train it as a plan,
# measure it in bits per character beside tables of counts, look at what its heads attend to, and let it write with a
# cache.
#
# It is as small as it has to be to learn something within ten seconds on one core; the numbers to make it larger stand
# in one cell. The text lies in the repository (`tutorials/data/README.md`: source and licence).

# %%
import gzip

import matplotlib.pyplot as plt
import numpy as np
from tutorial_data import load_plays

import autograd_vs as av
import optim

plt.rcParams.update({"figure.figsize": (7, 3), "figure.dpi": 80, "figure.constrained_layout.use": True})
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#777777"

text = load_plays()
print(text[:180])

# %% [markdown]
# ## 1. Characters as numbers
#
# Each of the 62 characters gets a number. The last tenth of each play is kept for validation: not a line of it is seen
# in training.

# %%
characters = sorted(set(text))
numbers = {character: i for i, character in enumerate(characters)}


def encode(text):
    return np.array([numbers[c] for c in text])


def decode(ids):
    return "".join(characters[i] for i in ids)


second = text.index("SLY:\nI'll pheeze")  # The Taming of the Shrew begins
plays = [encode(text[:second]), encode(text[second:])]
train = np.concatenate([play[: len(play) * 9 // 10] for play in plays])
validation = np.concatenate([play[len(play) * 9 // 10 :] for play in plays])
assert decode(encode("To be")) == "To be" and len(train) + len(validation) == len(text)
len(characters), len(train), len(validation)

# %% [markdown]
# ## 2. What has to be beaten
#
# A model gives each next character a probability; `-log2` of that, averaged over the text, is its bits per character.
# Two models without a network: what `gzip` needs, and *n-grams*, which count what followed the last `n - 1` characters.
# Where those were never seen, or not often, the count is mixed with the one of a shorter context (the rule of Witten
# and Bell).


# %%
def contexts(ids, n):
    """The n - 1 characters before each one, as one number."""
    code = np.zeros(len(ids), np.int64)
    for k in range(n - 1, 0, -1):
        code = code * len(characters) + np.concatenate([np.zeros(k, np.int64), ids[:-k]])
    return code


def counts(keys, asked):
    """How often each of `asked` is among `keys`."""
    found, number = np.unique(keys, return_counts=True)
    place = np.minimum(np.searchsorted(found, asked), len(found) - 1)
    return np.where(found[place] == asked, number[place], 0)


probability = np.full(len(validation), 1 / len(characters))
ngrams, entries = {}, {}
for n in range(1, 8):
    seen, asked = contexts(train, n), contexts(validation, n)
    pairs = seen * len(characters) + train
    often = counts(seen, asked)
    kinds = counts(np.unique(pairs) // len(characters), asked)  # different characters that followed
    followed = counts(pairs, asked * len(characters) + validation)
    probability = np.where(often, (followed + kinds * probability) / np.maximum(often + kinds, 1), probability)
    ngrams[n], entries[n] = float(-np.log2(probability).mean()), len(np.unique(pairs))

packed = 8 * len(gzip.compress(decode(validation).encode(), 9)) / len(validation)
print(f"all alike {np.log2(len(characters)):.2f} bits, gzip {packed:.2f} bits")
for n, bits in ngrams.items():
    print(f"{n}-grams {bits:.2f} bits, a table of {entries[n]:,} counts")
best = min(ngrams, key=ngrams.get)
assert ngrams[1] > ngrams[2] > ngrams[3] > ngrams[best] and best in (4, 5, 6)

# %% [markdown]
# Contexts of four characters are best; longer ones are too rare in so short a text.
#
# ## 3. The model
#
# A character's row of `embedding` and its place's row of `places` go through transformer blocks. What comes out is
# compared with the rows of a matrix again, one for each character: the nearest one is the likeliest.
#
# That matrix may be the embedding itself. Nothing is passed around for it: two layers of *one name in one scope* share,
# if the scope reuses. `tie` says no more than how the second one is called.

# %%
UNITS, HEADS, BLOCKS, LENGTH = 64, 8, 1, 32
small = av.initializers.random_normal(stddev=0.1)


class CharacterModel(av.layers.Layer):
    def __init__(self, tie=True):
        self.embedding = av.layers.Embedding(len(characters), UNITS, small, name="embedding")
        self.blocks = [av.layers.TransformerBlock(HEADS) for _ in range(BLOCKS)]
        self.norm = av.layers.LayerNorm()
        self.likeness = av.layers.Embedding(len(characters), UNITS, small, name="embedding" if tie else "likeness")

    def build(self, shape):
        self.places = self.add_weight("places", (LENGTH, UNITS), initializer=small)

    def embed(self, ids, used=0):
        return self.embedding(ids) + av.take(self.places, used + np.arange(ids.shape[1]), axis=0)

    def call(self, ids, caches=None):
        """Logits (batch, n, characters) of what follows each of ids (batch, n); with caches a pair with new ones."""
        x = self.embed(ids, used=0 if caches is None else caches[0].used)
        new = []
        for i, block in enumerate(self.blocks):
            x = block(x, causal=True, cache=None if caches is None else caches[i])
            if caches is not None:
                x, cache = x
                new.append(cache)
        logits = self.likeness.attend(self.norm(x))
        return logits if caches is None else (logits, new)


def new_model(tie=True):
    store = av.VariableStore(seed=0)
    with store, av.variable_scope("plays", reuse=av.AUTO_REUSE):
        model = CharacterModel(tie)
        model(train[None, :LENGTH])  # makes the variables
    return model, store


_, apart = new_model(tie=False)
model, store = new_model()
size, size_apart = (sum(v.size for v in some.variables()) for some in (store, apart))
print(f"{size_apart:,} numbers without tying, {size:,} with it")
assert set(apart) - set(store) == {"plays/character_model/likeness/embeddings"}
store

# %% [markdown]
# ## 4. Training
#
# The loss of a batch counts 32 characters of 32 stretches; each of them is a small task of its own, with 1 to 32
# characters to go by, because `causal=True` lets no place look ahead. We note the validation loss on the way, and what
# the model writes before it has learned anything: characters at random.


# %%
STEPS, BATCH = 800, 32


def stretches(ids, step=1):
    return np.lib.stride_tricks.sliding_window_view(ids, LENGTH + 1)[::step]


def bits(model, windows):
    """Bits of each next character in windows (batch, LENGTH + 1): (batch, LENGTH)."""
    losses = av.nn.softmax_cross_entropy(model(windows[:, :-1]), windows[:, 1:])
    return losses.numpy() / np.log(2)


optimizer = optim.Adam(optim.schedules.warm_up(optim.schedules.cosine(1e-2, STEPS), 30))
weights = store.trainable_variables()


@av.function
def step(x, y):
    with av.GradientTape() as tape:
        loss = av.nn.softmax_cross_entropy(model(x), y, reduction="mean")
    optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
    return loss


def train_for(steps):
    history = av.History()
    windows, some = stretches(train), stretches(validation, 200)
    rng = np.random.default_rng(0)
    for i in range(steps):
        batch = windows[rng.integers(0, len(windows), BATCH)]
        history.log(step=i + 1, bits=step(batch[:, :-1], batch[:, 1:]) / np.log(2))
        if (i + 1) % 50 == 0:
            history.log(step=i + 1, val_bits=bits(model, some).mean())
    return history


# %% [markdown]
# ### Writing, with a cache
#
# To write, the model reads its own characters again and again. A cache keeps the keys and values of the places before,
# so each step computes one place only; its length is fixed, so all steps are one plan. Ours has 32 places, as the model
# has: when it is full, we start a new one with the last sixteen characters. `temperature` divides the logits: below 1
# the likely characters become likelier still.


# %%
@av.function
def advance(ids, caches):
    return model(ids, caches=caches)


def write(start, length, temperatures, seed=0):
    """A text for each temperature, all written side by side as one batch."""
    rng = np.random.default_rng(seed)
    ids = np.tile(encode(start), (len(temperatures), 1))
    sharpness = 1 / np.array(temperatures)[:, None]
    places = LENGTH
    for _ in range(length):
        if places == LENGTH:  # the cache is full, or there is none
            recent = ids[:, -(LENGTH // 2) :]
            x = model.embed(recent)
            logits, caches = model(recent, caches=[block.make_cache(x, LENGTH) for block in model.blocks])
            places = recent.shape[1]
        else:
            logits, caches = advance(ids[:, -1:], caches)
            places += 1
        scores = logits[:, -1].numpy() * sharpness + rng.gumbel(size=(len(ids), len(characters)))
        ids = np.concatenate([ids, scores.argmax(axis=1)[:, None]], axis=1)  # a draw from the softmax
    return [decode(row) for row in ids]


before = write("JULIET:\n", 120, [1.0])[0]
print(before)

# %% [markdown]
# ### Ten seconds later

# %%
history = train_for(STEPS)

_, ax = plt.subplots()
history.plot("bits", "val_bits", ax=ax, smoothing=0.9)
for n in (1, 2, 3, best):
    ax.axhline(ngrams[n], ls="--", color=GREY, lw=1)
    ax.text(1.01, ngrams[n], f"{n}-grams", transform=ax.get_yaxis_transform(), va="center", color=GREY)
ax.set(title="Training, and tables of counts", ylabel="bits per character", ylim=(2, 5.2))
ax.legend(loc="upper right", bbox_to_anchor=(1, 0.8))
assert history.last("val_bits") < 2.75 < history["val_bits"][0]

# %% [markdown]
# The network learns what the tables know, in the same order: how frequent each character is, what one character says
# about the next one, then two. Training and validation stay close: it is still learning, not yet learning by heart.
#
# Now the whole validation text, where every character counts once, with 16 to 31 characters before it.

# %%
windows = stretches(validation, LENGTH // 2)
found = np.concatenate([bits(model, part)[:, LENGTH // 2 :] for part in np.array_split(windows, 12)]).mean()
print(f"gzip {packed:.2f} bits, 3-grams {ngrams[3]:.2f} bits")
print(f"transformer, {size:,} numbers: {found:.2f} bits")
print(f"{best}-grams, {entries[best]:,} counts: {ngrams[best]:.2f} bits")
assert ngrams[best] < found < ngrams[3]

# %% [markdown]
# It beats the table of triples, and not that of five-grams, which is made in a second: **with two plays and ten
# seconds, counting is better.** Counting is at its end, though: longer contexts made it worse. The network may look
# further back and have more numbers; with more text and more time it gains, and that is the point of it.
#
# ## 5. What it writes

# %%
temperatures = (0.4, 0.8)
after = write("JULIET:\n", 300, temperatures)
for temperature, written in zip(temperatures, after, strict=True):
    print(f"--- temperature {temperature}\n{written}\n")

vocabulary = set(decode(train).split())
for name, written in [("before training", before), *zip(("0.4", "0.8"), after, strict=True)]:
    words = written.split()[1:-1]
    print(f"{name:<16}{np.mean([word in vocabulary for word in words]):4.0%} of the words are words of the plays")
assert np.mean([word in vocabulary for word in after[0].split()[1:-1]]) > 0.7

# %% [markdown]
# Before training: noise. Now there are words, speakers in capitals with a colon, lines of about the right length. At a
# low temperature it takes few risks and repeats the most common words; at a higher one it invents. There is no sense
# in it: that needs more than a few characters of memory.
#
# The cache changes nothing in the numbers. Step by step or all at once, the logits are the same, and one plan did all
# the steps:

# %%
line = encode("O Romeo, Romeo! wherefore art ")[None, :]
whole = model(line).numpy()
caches = [block.make_cache(model.embed(line), LENGTH) for block in model.blocks]
for place in range(line.shape[1]):
    logits, caches = advance(line[:, place : place + 1], caches)
    assert np.allclose(logits[:, 0].numpy(), whole[:, place], atol=1e-4)
print(f"{line.shape[1]} steps; plans traced: {advance.traces}, one for each size of a batch")
assert advance.traces == 2

# %% [markdown]
# ## 6. Where the heads look
#
# A block's parts are layers, which one can call. Here are the weights of its attention by hand: queries times keys,
# masked, softmax. To be sure that this is what the block does, we go on to the output and compare.


# %%
def attention_weights(ids):
    """(batch, heads, n, n): how much each place takes from each one before it, in the first block."""
    block = model.blocks[0]
    x, attention = block.norms[0](model.embed(ids)), block.attention

    def heads(y):
        return y.reshape(*y.shape[:-1], HEADS, UNITS // HEADS).swapaxes(1, 2)

    scores = heads(attention.query(x)) @ heads(attention.key(x)).swapaxes(2, 3) / np.sqrt(UNITS / HEADS)
    later = np.triu(np.ones(scores.shape[-2:], bool), 1)
    shares = av.nn.softmax(av.where(later, -np.inf, scores))
    mixed = (shares @ heads(attention.value(x))).swapaxes(1, 2).reshape(*x.shape)
    assert np.allclose(attention.output(mixed).numpy(), attention(x, causal=True).numpy(), atol=1e-4)
    return shares.numpy()


shares = attention_weights(windows[::8, :-1])
far = 10
by_distance = np.stack([np.diagonal(shares, -k, 2, 3)[..., far:].mean(axis=(0, 2)) for k in range(far)], axis=1)
order = np.argsort(-by_distance[:, 1])
(one,) = attention_weights(line)

_, (left, right) = plt.subplots(1, 2, figsize=(9, 4), width_ratios=(5, 6))
picture = left.imshow(by_distance[order], cmap="Blues", vmin=0, aspect="auto")
left.set(title="All heads, on average", xlabel="characters back", ylabel="head", xticks=range(far), yticks=range(HEADS))
left.set_yticklabels(order)
plt.colorbar(picture, ax=left, label="weight")
head = order[0]
right.imshow(one[head], cmap="Blues", vmin=0)
shown = ["␣" if c == " " else c for c in decode(line[0])]
right.set(title=f"Head {head} in one line", xlabel="looks at", ylabel="from")
right.set_xticks(range(len(shown)), shown, fontsize=8)
right.set_yticks(range(len(shown)), shown, fontsize=8)
assert by_distance[head, 1] > 0.4 and by_distance[:, 6:].sum(axis=1).max() < 0.3

# %% [markdown]
# Nobody told the heads what to do. One has become the memory of a pair: it looks at the character before, nearly
# always. Others divide their weight among the last three or four, and beyond six there is little. So this model is a
# kind of soft four-gram, which fits what it reaches in bits. A second block could read what these heads have put
# together.
#
# **To try**, with a few minutes of time: `BLOCKS = 2` and `STEPS = 5000`; `LENGTH = 64`; `tie=False`; a temperature of
# 0, by `argmax` without noise; the last tenth of *another* play as validation text.
