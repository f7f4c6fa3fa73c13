# `just` lists these; `just check` is what a change must pass. The whole of it, with the LiteLLM proxy: .ci/run

# List the recipes.
default:
    @just --list

# Format, lints, documentation and tests.
check:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings
    RUSTDOCFLAGS=-Dwarnings cargo doc --no-deps --quiet
    cargo test

# Format, and mend what clippy can mend.
fix:
    cargo fmt
    cargo clippy --fix --all-targets --allow-dirty --allow-staged

# Tests; arguments go to cargo (`just test --lib telemetry`).
test *args:
    cargo test {{ args }}

# Take what the screens show now as what they shall show, once it was looked at in `git diff`.
snap:
    INSTA_UPDATE=always cargo test --lib tui

# The dashboard over simulated tiers: no keys, no GPU, no network.
demo *args:
    cargo run --release -- demo {{ args }}

# Measure the ways that every prompt takes.
bench *args:
    cargo bench --features bench {{ args }}

# Ten minutes of load on the engine, with its memory every half minute: the line has to be flat.
bench-memory:
    cargo bench --features bench --bench engine -- --minutes 10

# What the router's judgement is worth on labelled prompts, from an unpacked benchmark folder.
bench-routing dir:
    cargo build --release
    python3 benches/routing.py {{ dir }}

# Measure the screen on a pseudo-terminal: frames, bytes, processor, memory, keys. `--against btop btm` beside others.
bench-screen *args:
    cargo bench --bench screen -- {{ args }}

# Take the README's pictures and the tour from the real program in a pseudo-terminal.
screenshot:
    cargo build --release --bin llm-call --example screenshot
    target/release/examples/screenshot assets/dashboard.svg
    target/release/examples/screenshot assets/dashboard-light.svg --light
    target/release/examples/screenshot assets/tour.cast

# Fit the weights of the task analysis; DIR is the unpacked folder of the routing benchmark (see assets/analysis.md).
fit-analysis dir:
    cargo run --release --example fit_analysis -- {{ dir }}

# Fit the genres that the learning keeps outcomes by; DIR as above.
fit-genres dir:
    cargo run --release --example fit_genres -- {{ dir }}

# Build the documentation and open it.
doc:
    cargo doc --no-deps --open
