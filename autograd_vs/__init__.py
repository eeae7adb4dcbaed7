"""autograd_vs: automatic differentiation of NumPy code, with variables shared by name and training loops of your own.

The public face: imports and ``__all__``, no logic.
"""

from ._version import __version__

# ruff: noqa: I001  (one block per floor, in their order)
# base
from .base.dtypes import default_dtype, set_default_dtype
from .base.errors import PartialGradientWarning, PrecisionWarning, ScopeWarning

# engine
from .engine.cotangent import IndexedSlices
from .engine.forward import ForwardAccumulator
from .engine.tape import GradientTape
from .engine.tensor import Tensor, asarray

# ops
from .ops.elementwise import *  # noqa: F403  TEMPORARY until the families have their explicit lists
from .ops.linalg import *  # noqa: F403
from .ops.reduce import *  # noqa: F403
from .ops.shape import *  # noqa: F403
from . import random

# state
from .state.report import LoadReport
from .state.update import Slots, apply_update
from . import initializers
from .state.scope import AUTO_REUSE, VariableScope, get_variable, get_variable_scope, name_scope, no_regularizer, variable_scope
from .state.store import VariableStore, current_store, global_variables, trainable_variables
from .state.template import make_template
from .state.variable import Variable
from ._migration import module_getattr as __getattr__

# transforms, layers, training
from .transforms.custom import custom_gradient, recompute_grad
from .transforms.grad import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
from .transforms.ravel import ravel
