//! The `llm-call` program.

fn main() {}
