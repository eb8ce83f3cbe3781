"""A resolved stack as the Kubernetes objects it becomes: pure functions, one module a component."""
