"""The table of workloads: a file tells everything about its own."""

from . import (
    language_model,
    w1_mlp,
    w2_w3_classifier,
    w4_cnn,
    w5_lstm,
    w6_transformer,
    w7_elementwise,
    w8_many_ops,
    w9_adam,
    w10_embedding,
    w11_shared_encoder,
)

MODULES = (
    w1_mlp, w2_w3_classifier, w4_cnn, w5_lstm, w6_transformer, w7_elementwise, w8_many_ops, w9_adam, w10_embedding,
    w11_shared_encoder,
)  # fmt: skip
WORKLOADS = {workload.name: workload for module in MODULES for workload in module.WORKLOADS}
# what only gpu.py runs: too much for a CPU, and nobody has derived it by hand
FOR_GPU = {workload.name: workload for workload in language_model.WORKLOADS}
