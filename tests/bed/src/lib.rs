//! A Kubernetes cluster for tests, made of local processes: a real etcd, API server and controller manager, and small
//! stand-ins for what surrounds them: the kubelet (programs of this machine as containers), kube-proxy, DNS and a load
//! balancer.
//!
//! All of it lives in namespaces of its own (network, processes, mounts), where every address is fixed and every file is
//! in memory: whatever ends it, nothing is left, and beds side by side do not meet. It is no part of what is released
//! and knows nothing of what Haldane does: it only has a name for its programs.

pub mod certificates;
pub mod control_plane;
pub mod daemon;
pub mod inside;
pub mod kubelet;
pub mod namespace;
pub mod network;
pub mod outside;
pub mod programs;
pub mod services;
