#!/usr/bin/env python3
"""What the router's judgement is worth on labelled prompts: prints a table of figures, what is wanted, and what was measured.

  benches/routing.py DIR [PROGRAM]      DIR is an unpacked benchmark folder with harness/ and data/dev/

Sets that the shipped weights were fitted to say so: on those the figures of `cargo run --example fit_analysis` count, which are
taken on prompts that were held out. Learning from a log is cross-validated here: five folds by cluster of alike prompts.
Standard library only.
"""
import collections, json, os, random, subprocess, sys, tempfile, zlib

folder, program = sys.argv[1], os.path.abspath(sys.argv[2] if len(sys.argv) > 2 else "target/release/llm-call")
data = os.path.join(folder, "data", "dev")
sys.path.insert(0, os.path.join(folder, "harness"))
import score  # noqa: E402  (of the benchmark folder)

state = tempfile.mkdtemp()
route = [program, "route", "--demo", "--jsonl"]
quiet = {"env": dict(os.environ, LLM_CALL_STATE=state), "stderr": subprocess.DEVNULL}


def lines(name, kind):
    path = os.path.join(data, f"{name}.{kind}.jsonl")
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def decide(prompts, *more):
    text = "".join(json.dumps({"id": one["id"], "prompt": one["prompt"]}) + "\n" for one in prompts)
    done = subprocess.run([*route, *more], input=text.encode(), stdout=subprocess.PIPE, check=True, **quiet)
    return [json.loads(line) for line in done.stdout.splitlines()]


def scored(what, name, predictions, *more):
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", delete=False) as file:
        file.writelines(json.dumps(one) + "\n" for one in predictions)
    prompts = os.path.join(data, f"{name}.prompts.jsonl")
    labels = os.path.join(data, f"{name}.labels.jsonl")
    labels = labels if os.path.exists(labels) else prompts
    found = score.main([what, "--labels", labels, "--pred", file.name, "--prompts", prompts, "--reps", "300", *more])
    os.unlink(file.name)
    return found


def row(what, wanted, measured, note=""):
    print(f"{what:<52} {wanted:<18} {measured:<28} {note}", flush=True)


def interval(found, key):
    return f"{found[key][0]:.3f}–{found[key][1]:.3f}" if found.get(key) else ""


def with_interval(value, found, key):
    return f"{value:.3f} [{interval(found, key)}]"


def cluster(text):
    """A fold for a prompt: the same for prompts whose first words are alike."""
    return zlib.crc32(" ".join(text.lower().split()[:8]).encode()) % 5


def from_a_log(name, *more):
    prompts, labels = lines(name, "prompts"), {one["id"]: one for one in lines(name, "labels")}
    text = {one["id"]: one["prompt"] for one in prompts}
    predictions = []
    for fold in range(5):
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl", delete=False) as log:
            for one in labels.values():
                if one.get("scores") and cluster(text[one["id"]]) != fold:
                    for model, quality in one["scores"].items():
                        log.write(json.dumps({"prompt": text[one["id"]], "model": model, "quality": quality}) + "\n")
        predictions += decide([one for one in prompts if cluster(one["prompt"]) == fold], "--outcomes", log.name)
        os.unlink(log.name)
    return scored("multi", name, predictions, *more)


row("what", "wanted", "measured [95 %]")
for name, wanted in (("route2_mmlu", "APGR ≥ .70"), ("route2_gsm8k", "APGR ≥ .66")):
    found = scored("route2", name, decide(lines(name, "prompts")))
    row(name, wanted, with_interval(found["apgr10"], found, "apgr10_ci95"), "fitted to: see fit_analysis for held-out figures")
found = scored("tasktype", "tasktype", decide(lines("tasktype", "prompts")))
row("task type, macro-F1", "≥ .97", with_interval(found["macro_f1"], found, "macro_f1_ci95"))
found = scored("tier", "tier", decide(lines("tier", "prompts")))
row("tier intent, macro-F1", "≥ .93", with_interval(found["macro_f1"], found, "macro_f1_ci95"), "fitted to, in part")
row("private prompts sent out", "≤ 1", f"{found['private_sent_to_cloud'] * found['must_stay_local_n']:.0f} of {found['must_stay_local_n']}")
flask = decide(lines("flask", "prompts"))
found = scored("difficulty", "flask", flask)
row("hard prompts, AUROC", "≥ .84", with_interval(found["auroc_hard"], found, "ci95"))
found = scored("robust", "robust", decide(lines("robust", "prompts")))
row("tier kept under light disturbance", "≥ .97, ≥ 3 tiers", f"{found['tier_kept']:.3f}, {len(found['tiers'])} tiers")
found = scored("pii", "pii_synth", decide(lines("pii_synth", "prompts")))
row("structured PII, macro-F2", "≥ .97", f"{found['structured']['macro_f2']:.3f}")
row("structured PII, document recall", "≥ .99", f"{found['structured_doc']['recall']:.3f} of {found['structured_doc']['n']}")
found = scored("benign", "benign", decide(lines("benign", "prompts")))
row("false alarms per 1,000 harmless prompts", "≤ .7", f"{found['flagged_per_1000']:.2f}")
found = scored("secrets", "secret_prompts", decide(lines("secret_prompts", "prompts")))
row("secrets redacted", "≥ .97", f"{found['redacted_recall_95pct_chars']:.3f} of {found['n_secret']}")
row("look-alikes taken for secrets", "≤ 1 %", f"{found['false_alarm_rate_on_lookalikes']:.3f} of {found['n_clean']}")
found = from_a_log("multi9", "--prices", os.path.join(folder, "data", "multi9.prices.json"))
of_genres = "outcomes cross-validated; genres fitted to its prompts"
row("multi9 from a log: quality", "≥ .655", f"{found['quality_at_lambda0']:.3f}", of_genres)
row("multi9 from a log: AIQ; cost at 95 %", "≥ .635; ≤ .16", f"{found['aiq']:.3f}; {found['cost_at_95pct_of_best_single']:.3f}", of_genres)
found = from_a_log("routerbench3")
row("routerbench3 from a log: AIQ; cost at 95 %", "≥ .865; ≤ .28", f"{found['aiq']:.3f}; {found['cost_at_95pct_of_best_single']:.3f}", "cross-validated")
bandit = [sys.executable, os.path.join(folder, "harness", "bandit.py"), "--data", data, "--stream", "multi9"]
for what, wanted, more in (("online from nothing, λ .1: reward", "≥ .56", []), ("after drift, λ .1: of the best single", "≥ .97", ["--drift"])):
    online = f"LLM_CALL_STATE={state} {program} route --demo --online 2>/dev/null"
    done = subprocess.run([*bandit, "--cmd", online, "--lam", "0.1", "--seeds", "3", *more], stdout=subprocess.PIPE, check=True)
    found = json.loads(done.stdout)
    value = found["last_quarter"] / found["best_single_last_quarter"] if more else found["reward"]
    row(what, wanted, f"{value:.3f}")
arena = decide(lines("arena", "prompts"))
found = scored("tokens", "arena", arena)
for model, one in sorted(found.items()):
    if isinstance(one, dict):
        row(f"input tokens, {model}", "exact" if "gpt" in model else "≤ 2 %, P95 ≤ 6 %", f"{one['mape']:.3f}, P95 {one['p95']:.3f}", "before any bill")
found = scored("outlen", "flask", flask)
within = [one for one in found.values() if isinstance(one, dict)]
row("output length within 2×, flask", "≥ .50", f"{sum(one['within_2x'] for one in within) / len(within):.3f}", "before any answer")
row("  and P90 coverage", ".88–.93", f"{sum(one['p90_coverage'] for one in within) / len(within):.3f}")
short = [one for one in lines("benign", "prompts") if len(one["prompt"].encode()) <= 1024]
random.Random(0).shuffle(short)
times = sorted(one["us"] for one in decide(short)[50:])
row("one decision up to 1 KiB: p50; p99", "≤ 50; ≤ 300 µs", f"{times[len(times) // 2]:.0f}; {times[len(times) * 99 // 100]:.0f} µs")
by_size = collections.defaultdict(list)
for one in decide(lines("sizes", "prompts"))[1:]:
    by_size[one["id"].split("-")[0]].append(one["us"])
row("  by size", "linear", ", ".join(f"{name[2:]} KiB {sorted(us)[len(us) // 2]:.0f}" for name, us in by_size.items()))
