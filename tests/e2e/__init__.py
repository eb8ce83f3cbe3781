"""What the operator renders, unchanged, under a real kubelet: do users get answers?

    make e2e                                 everything, in the end a report
    python -m tests.e2e up | down | status   the cluster with its node, to look around in

It takes Linux, root and the packages that `requirements.py` names. What is built once and kept comes from a
Debian mirror, PyPI and Go's module proxy, and from no container registry. A node is one set of namespaces
(network, mount, PID, UTS): nothing of it listens outside, and ending its first process ends every container.

node.py          a node's start and end           init.py      its first process
network.py       its network                      files.py     what its programs read
policy.py        NetworkPolicies as nftables      agent.py     applies them, as a CNI plugin would
images.py        images without a registry        internet.py  the model hub and the providers, in a bottle
installation.py  the operator, by its chart       stacks.py    a stack as its user has it
load.py          clients that ask on and on       client.py    what they run, in a pod
running.py       a whole run and its report       scenario_*   the tests
"""
