"""The table of workloads: a file tells everything about its own."""

from . import (
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
