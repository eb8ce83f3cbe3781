"""What the node's programs read. Pure: a network and folders in, text out."""

import json
from pathlib import Path

from tests.e2e.network import Network

CNI_PLUGINS = Path("/usr/lib/cni")
DNS = "10.96.0.10"
PAUSE = "localhost/aistack/pause:node"
CLIENT = "localhost/aistack/client:node"
COREDNS = "localhost/aistack/coredns:node"
RUNC = "/usr/sbin/runc"
CONTAINERD = "/run/containerd/containerd.sock"


def containerd(root: Path, folder: Path) -> str:
    """`root` holds the imported images, and outlives the node."""
    return f"""\
version = 3
root = '{root}'
state = '/run/containerd'
[grpc]
  address = '{CONTAINERD}'
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = '{PAUSE}'
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    runtime_type = 'io.containerd.runc.v2'
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
      BinaryName = '{RUNC}'
      SystemdCgroup = false
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ['{CNI_PLUGINS}']
    conf_dir = '{folder}/cni'
"""


def cni(network: Network, folder: Path) -> str:
    addresses = {
        "type": "host-local",
        "dataDir": str(folder / "addresses"),
        "ranges": [[{"subnet": network.pods}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    plugins = [
        {"type": "ptp", "mtu": 1500, "ipMasq": False, "ipam": addresses},
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ]
    return json.dumps({"cniVersion": "1.0.0", "name": "pods", "plugins": plugins})


def kubelet(network: Network, folder: Path, authority: Path) -> str:
    return json.dumps(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": network.node,
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(authority)},
            },
            "authorization": {"mode": "Webhook"},
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{network.name}",
            "clusterDNS": [DNS],
            "clusterDomain": "cluster.local",
            "containerRuntimeEndpoint": f"unix://{CONTAINERD}",
            "enforceNodeAllocatable": [],
            "eventRecordQPS": 0,
            "evictionHard": {
                "memory.available": "200Mi",
                "nodefs.available": "1%",
                "imagefs.available": "1%",
            },
            "failCgroupV1": False,
            "failSwapOn": False,
            "imageGCHighThresholdPercent": 100,  # never: no registry has them
            "makeIPTablesUtilChains": False,
            "maxPods": 100,
            "nodeStatusUpdateFrequency": "4s",
            "oomScoreAdj": 0,
            "registryPullQPS": 0,
            "resolvConf": str(folder / "resolv.conf"),
            "volumeStatsAggPeriod": "5s",  # a pod that fills the disk is found out as soon
        }
    )


def kube_proxy(network: Network, kubeconfig: Path, name: str) -> str:
    return json.dumps(
        {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "nftables",
            "clientConnection": {"kubeconfig": str(kubeconfig)},
            "clusterCIDR": network.pods,
            "detectLocalMode": "ClusterCIDR",
            "hostnameOverride": name,
            "oomScoreAdj": 0,
            "metricsBindAddress": "127.0.0.1:10249",
            "healthzBindAddress": "127.0.0.1:10256",
            # The machine's own limits stay: its sysctls are not the node's.
            "conntrack": {
                "maxPerCore": 0,
                "min": 0,
                "tcpEstablishedTimeout": "0s",
                "tcpCloseWaitTimeout": "0s",
            },
        }
    )
