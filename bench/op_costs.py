"""What an op costs, and each feature of the engine: nanoseconds a call, on arrays so small that only calls count.

All lines are timed in one process with one thread, in turn, round after round. A call that is recorded is timed with
the entry that it leaves, which is taken away again at once (30 ns). The difference to the line that a line names is
what its feature costs::

    python bench/op_costs.py
"""

import argparse
import contextlib
import time

import harness
import numpy as np

CALLS = 1000


def line(what, call, tapes=(), scope=None, than=None):
    """A call, timed while `tapes` (functions that make one) and a name scope are open, and compared with `than`."""
    return {"what": what, "call": call, "tapes": tapes, "scope": scope, "than": than}


def table():
    """The lines. Everything below is public; `timed` alone looks inside, to forget what was recorded."""
    import autograd_vs as av
    import optim

    a, row, number = np.ones((4, 4), np.float32), np.ones(4, np.float32), np.array(2.0, np.float32)
    x, v, frozen = av.Tensor(a), av.Variable(a, name="v"), av.Variable(a, name="frozen", trainable=False)
    w, b = av.Variable(a, name="w"), av.Variable(row, name="b")
    ids, like = np.array([1, 2]), av.Tensor(a)
    adam = optim.Adam()
    variables = [v, w, b]
    gradients = [av.Tensor(t.numpy()) for t in variables]
    adam.apply_gradients(zip(gradients, variables, strict=True))

    def tape(**options):
        return lambda: av.GradientTape(persistent=True, **options)

    def step_of(count):
        """A step without arithmetic to speak of: `count` ops, forwards and backwards."""

        def call():
            with av.GradientTape() as t:
                y = v
                for _ in range(count):
                    y = -y
            t.gradient(y, variables)

        return call

    def scope():
        with av.variable_scope("layer", reuse=av.AUTO_REUSE):
            pass

    def get():
        with av.variable_scope("layer", reuse=av.AUTO_REUSE):
            av.get_variable("kernel", (4, 4))

    def bare_tape():
        with av.GradientTape():
            pass

    def assign():
        v.assign(a)

    def assign_under_a_view():
        kept = v.T
        v.assign(a)
        return kept

    watching = (tape(),)
    return {
        "NumPy": [
            line("np.tanh(a)", lambda: np.tanh(a)),
            line("a + a", lambda: a + a),
            line("a * 2.0", lambda: a * 2.0),
            line("a * number, which is 0-d", lambda: a * number),
            line("a.dot(a)", lambda: a.dot(a)),
        ],
        "No tape": [
            line("av.tanh(x)", lambda: av.tanh(x), than="np.tanh(a)"),
            line("x + x", lambda: x + x, than="a + a"),
            line("x * 2.0", lambda: x * 2.0, than="a * 2.0"),
            line("x @ x", lambda: x @ x, than="a.dot(a)"),
        ],
        "Recorded": [
            line("av.tanh(v), recorded", lambda: av.tanh(v), watching, than="av.tanh(x)"),
            line("v + v, recorded", lambda: v + v, watching, than="x + x"),
            line("v * 2.0, recorded", lambda: v * 2.0, watching, than="x * 2.0"),
            line("v @ w, recorded", lambda: v @ w, watching, than="x @ x"),
            line("v + b, which broadcasts", lambda: v + b, watching, than="v + v, recorded"),
            line("av.nn.linear(v, w, b)", lambda: av.nn.linear(v, w, b), watching, than="v @ w, recorded"),
            line("av.mean(v)", lambda: av.mean(v), watching, than="av.tanh(v), recorded"),
            line("v.reshape(16)", lambda: v.reshape(16), watching, than="av.tanh(v), recorded"),
            line("v[1]", lambda: v[1], watching, than="av.tanh(v), recorded"),
            line("av.nn.embedding_lookup(v, ids)", lambda: av.nn.embedding_lookup(v, ids), watching, than="v[1]"),
        ],
        "Ways to call it": [
            line("np.tanh(v): NumPy's protocol", lambda: np.tanh(v), watching, than="av.tanh(v), recorded"),
            line("v.tanh()", lambda: v.tanh(), watching, than="av.tanh(v), recorded"),
            line("a @ v: NumPy's protocol", lambda: a @ v, watching, than="v @ w, recorded"),
            line("v * a, an array that is copied", lambda: v * a, watching, than="v + v, recorded"),
        ],
        "Watching": [
            line("a tape that watches nothing of it", lambda: av.tanh(x), watching, than="av.tanh(x)"),
            line("a frozen variable", lambda: av.tanh(frozen), watching, than="av.tanh(x)"),
            line("in a name scope", lambda: av.tanh(v), watching, "scope", than="av.tanh(v), recorded"),
            line("two nested tapes", lambda: av.tanh(v), watching * 2, than="av.tanh(v), recorded"),
            line("check_numerics=True", lambda: av.tanh(v), (tape(check_numerics=True),), than="av.tanh(v), recorded"),
            line(
                "watch_accessed_variables=False", lambda: av.tanh(v), (tape(watch_accessed_variables=False),),
                than="av.tanh(x)",
            ),
            line("forward mode", lambda: av.tanh(v), (lambda: av.ForwardAccumulator(v, like),), than="av.tanh(x)"),
        ],
        "A step": [
            line("an empty tape", bare_tape),
            line("a tape, one op and gradient", step_of(1), than="an empty tape"),
            line("the same with 11 ops", step_of(11), than="a tape, one op and gradient"),
            line("Adam on three variables", lambda: adam.apply_gradients(zip(gradients, variables, strict=True))),
        ],
        "Variables": [
            line("v.assign(a)", assign),
            line("v.assign(a) while a view of it is held", assign_under_a_view, than="v.assign(a)"),
            line("variable_scope, opened and closed", scope),
            line("the same with a get_variable", get, than="variable_scope, opened and closed"),
        ],
    }  # fmt: skip


@contextlib.contextmanager
def timed(entry):
    """The seconds that a call takes, as a function."""
    import autograd_vs as av

    with contextlib.ExitStack() as stack:
        for make in entry["tapes"]:
            record = stack.enter_context(make())._record
        if entry["scope"]:
            stack.enter_context(av.name_scope(entry["scope"]))
        call = entry["call"]
        if not entry["tapes"]:

            def run():
                for _ in range(CALLS):
                    call()
        else:
            forget = record.entries.clear

            def run():
                for _ in range(CALLS):
                    call()
                    forget()

        def seconds():
            start = time.perf_counter()
            run()
            return (time.perf_counter() - start) / CALLS

        yield seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30, help="default 30; results need at least 20")
    harness.add_writing_options(parser)
    options = parser.parse_args()
    sections = table()
    entries = {entry["what"]: entry for section in sections.values() for entry in section}
    times = {what: [] for what in entries}
    for _, what in harness.in_turn(entries, options.rounds):
        with timed(entries[what]) as seconds:
            times[what].append(seconds())
    width = max(map(len, times))
    print(f"{'':{width}}  {'min':>7} {'median':>7}  ns, median of {options.rounds} rounds   more than")
    for section, rows in sections.items():
        print(section)
        for row in rows:
            values = np.array(times[row["what"]]) * 1e9
            text = f"{row['what']:{width}}  {values.min():7.0f} {np.median(values):7.0f}"
            if row["than"]:
                more = np.median(values - np.array(times[row["than"]]) * 1e9)
                text += f"  {more:+7.0f}  {row['than']}"
            print(text)
    if not options.no_write:
        content = {"machine": harness.machine(), "calls": CALLS, "seconds_per_call": times}
        harness.write("op_costs", content, options.results)


if __name__ == "__main__":
    main()
