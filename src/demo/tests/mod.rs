//! The simulated upstreams over the wire, with a plain HTTP client.
