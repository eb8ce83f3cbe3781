"""What the operator renders, unchanged, under a real kubelet: do users get answers?

    make e2e                                 everything, in the end a report
    python -m tests.e2e up | down | status   the cluster with its node, to look around in

`requirements.py` says what the machine must have. A node is one set of namespaces (network, mount, PID, UTS):
nothing of it listens outside, and ending its first process ends every container.

node.py          a node's start and end           init.py      its first process
network.py       its network                      files.py     what its programs read
policy.py        NetworkPolicies as nftables      agent.py     applies them, as a CNI plugin would
images.py        images without a registry        internet.py  the model hub and the providers, in a bottle
operator.py      the operator, by its Helm chart  scenario_*   the tests
"""
