//! Simulated tiers: real HTTP servers on loopback that speak the real protocols, with faults that can be dialled in.
