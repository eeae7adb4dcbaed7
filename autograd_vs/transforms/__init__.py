"""Floor 3: functions of functions: grad, jvp, jacobian, custom gradients."""
