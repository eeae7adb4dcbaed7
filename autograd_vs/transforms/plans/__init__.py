"""Plans: a training step as a flat list of NumPy calls on memory that is there already. Floor 3.

How a step becomes a plan
-------------------------
1. `traced.py` is one more array library. While a function is traced (`trace.py`), the arrays of all Tensors and
   Variables are of that library, and every call of NumPy's that the ops, their rules and the tape make with them is
   noted (`program.py`), after it was made: tracing is an ordinary step, too. Tapes, Tensors and scopes make no such
   call, and leave nothing behind.
2. What NumPy's calls do not show (an optimizer's step, a random draw) is noted as one call of a Python function
   (`engine/outside.py`).
3. The passes (`passes.py`) drop and merge calls; `memory.py` gives each result its place; `emit.py` writes one Python
   function of the calls that are left, bound to their arrays; `plan.py` puts it together.

Every call writes into an array that was made with the plan: a replay allocates only what it hands out.
"""
