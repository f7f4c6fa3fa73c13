//! Tests that hold for every protocol.
