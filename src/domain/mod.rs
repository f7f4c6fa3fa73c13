//! The pure core: what a prompt asks for, what the fleet is like, and where the prompt goes.
//!
//! Nothing here performs I/O, reads a clock, draws a random number or knows of an async runtime: time and chance come
//! in as arguments. That is what lets one function, [`decision::decide`], route real requests, explain them, foresee
//! what a drain would do and judge a new policy on old traffic.

pub mod analysis;
pub mod baseline;
pub mod breaker;
mod bytes;
pub mod decision;
pub mod failure;
pub mod fleet;
pub mod health;
pub mod id;
pub mod judgement;
pub mod latency;
pub mod learning;
pub mod limits;
pub mod machine;
pub mod money;
pub mod policy;
pub mod price;
pub mod privacy;
pub mod prompt;
pub mod rejection;
pub mod request;
pub mod retries;
pub mod spend;
pub mod task;
pub mod tier;
pub mod time;
pub mod timeouts;
pub mod tokens;
pub mod usage;
pub mod what_if;
