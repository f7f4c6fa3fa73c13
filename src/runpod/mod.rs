//! The RunPod management API: pods, endpoints, balance.
