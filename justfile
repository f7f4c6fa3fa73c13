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
    cargo run -- --demo {{ args }}

# Measure the ways that every prompt takes.
bench *args:
    cargo bench {{ args }}

# What the demo's dashboard shows after some seconds, as text with colours, in `screenshot.ansi`.
screenshot columns="120" rows="40" seconds="6":
    cargo build
    tmux new-session -d -s llm-call-screenshot -x {{ columns }} -y {{ rows }} 'target/debug/llm-call --demo'
    sleep {{ seconds }}
    tmux capture-pane -e -p -t llm-call-screenshot > screenshot.ansi
    tmux kill-session -t llm-call-screenshot
    @cat screenshot.ansi

# Build the documentation and open it.
doc:
    cargo doc --no-deps --open
