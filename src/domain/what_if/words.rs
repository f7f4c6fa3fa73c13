//! What a change would do, in plain words: every surface says the same. No sentence repeats what the one before it said,
//! and all but a long reason fit into 56 columns.

use std::time::Duration;

use super::super::fleet::AdminState;
use super::super::money::Money;
use super::{Change, Foreseen, Totals};

/// Ways that are told one by one; the rest is summed up.
const MOST_WAYS: usize = 6;

impl Change {
    /// The change in words: `drain tier claude`.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Admin { target, state: AdminState::Ready } => format!("make ready {target}"),
            Self::Admin { target, state: AdminState::Drain } => format!("drain {target}"),
            Self::Admin { target, state: AdminState::Maint } => format!("take into maintenance {target}"),
            Self::Pin { target, scope, only } => {
                format!("pin {scope} to {target}{}", if *only { " only" } else { "" })
            }
            Self::Unpin { target } => format!("unpin {target}"),
            Self::DailyLimit { limit: Some(limit) } => format!("set today's limit to {limit}"),
            Self::DailyLimit { limit: None } => "lift today's limit".to_owned(),
        }
    }
}

impl Foreseen {
    /// What would happen, one sentence a line, without colour. A line that begins with two blanks belongs to the one above.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        let all = match (self.requests, self.span) {
            (0, _) => return vec!["no requests to look at".to_owned()],
            (1, _) => "the one request".to_owned(),
            (count, Duration::ZERO) => format!("{count} requests"),
            (count, span) => format!("{count} requests of the last {}", coarse(span)),
        };
        let (moved, failing) = (self.moved(), self.failing());
        if moved == 0 && failing == 0 && self.gained == 0 {
            return vec![match self.requests {
                1 => "the one request would not go elsewhere".to_owned(),
                count => format!("none of the last {count} requests would go elsewhere"),
            }];
        }
        let mut sentences = vec![match (moved, self.requests) {
            (0, _) => format!("of {all}, none would move"),
            (_, 1) => "the one request would move:".to_owned(),
            (moved, _) => format!("{moved} of {all} would move:"),
        }];
        sentences.extend(self.ways());
        sentences.extend(self.lost.iter().map(|loss| format!("  {} would fail: {}", loss.requests, loss.why)));
        if self.gained > 0 {
            sentences.push(format!("  {} that would fail now would be served", self.gained));
        }
        sentences.push(self.cost());
        sentences.push(first_token("p95", [&self.before, &self.after].map(|totals| totals.first_token_p95_ms)));
        sentences
    }

    /// What a replay says beside its table of ways, one sentence a line: what could not be served, what it would cost, how soon
    /// answers would begin, and what becomes of private prompts.
    #[must_use]
    pub fn replayed(&self) -> Vec<String> {
        let mut sentences = Vec::new();
        sentences.extend(self.lost.iter().map(|loss| format!("{} would fail: {}", loss.requests, loss.why)));
        if self.gained > 0 {
            sentences.push(format!("{} that fail under the present configuration would be served", self.gained));
        }
        sentences.push(format!("{}{}", self.cost_in_all(), self.difference().unwrap_or_default()));
        let both = [&self.before, &self.after];
        sentences.push(first_token("p50", both.map(|totals| totals.first_token_p50_ms)));
        sentences.push(first_token("p95", both.map(|totals| totals.first_token_p95_ms)));
        sentences.push(self.private());
        if self.private.kept > 0 {
            sentences.push(format!("{} that may leave now would stay on this machine", self.private.kept));
        }
        sentences
    }

    /// How many requests there are, and over what time: `120 requests over 14 min`.
    #[must_use]
    pub fn looked_at(&self) -> String {
        match (self.requests, self.span) {
            (1, _) => "1 request".to_owned(),
            (count, Duration::ZERO) => format!("{count} requests"),
            (count, span) => format!("{count} requests over {}", coarse(span)),
        }
    }

    fn private(&self) -> String {
        match (self.private.requests, self.private.let_out) {
            (0, _) => "no private prompts among them".to_owned(),
            (1, 0) => "the one private prompt would not leave this machine".to_owned(),
            (all, 0) => format!("none of the {all} private prompts would leave this machine"),
            (all, out) => {
                let redacted = match self.private.redacted {
                    0 => String::new(),
                    some => format!(", {some} of them with placeholders for what was found"),
                };
                format!("{out} of {all} private prompts would LEAVE this machine{redacted}: the new guard allows it")
            }
        }
    }

    /// From where to where, with counts and shares, one below the other.
    fn ways(&self) -> Vec<String> {
        let told: Vec<(String, u32)> = {
            let way = |one: &super::Move| (format!("{} to {}", one.from, one.to), one.requests);
            let mut told: Vec<_> = self.moves.iter().take(MOST_WAYS).map(way).collect();
            let rest = self.moves.get(MOST_WAYS..).unwrap_or_default();
            if !rest.is_empty() {
                told.push((format!("{} other ways", rest.len()), rest.iter().map(|one| one.requests).sum()));
            }
            told
        };
        let width = told.iter().map(|(way, _)| way.chars().count()).max().unwrap_or_default();
        let digits = told.iter().map(|(_, requests)| requests.to_string().len()).max().unwrap_or_default();
        let line = |(way, requests): &(String, u32)| {
            format!("  {way:<width$}  {requests:>digits$} ({})", share(*requests, self.requests))
        };
        told.iter().map(line).collect()
    }

    /// What these requests cost, rented machines aside: per hour where there is a rate, else in all.
    fn cost(&self) -> String {
        let (before, after) = (&self.before, &self.after);
        if let (Some(now), Some(then)) = (before.cost_per_hour, after.cost_per_hour) {
            return format!("their cost {}, then {}", amount(now, "/h", before), amount(then, "/h", after));
        }
        self.cost_in_all()
    }

    fn cost_in_all(&self) -> String {
        let (before, after) = (&self.before, &self.after);
        format!("their cost in all {}, then {}", amount(before.cost, "", before), amount(after.cost, "", after))
    }

    /// By how much it would be more or less, in percent; nothing where that cannot be said: where a price is not known, where
    /// not the same requests are served, or where there was no cost before.
    fn difference(&self) -> Option<String> {
        let (before, after) = (&self.before, &self.after);
        let comparable = before.unpriced == 0 && after.unpriced == 0 && before.served == after.served;
        if !comparable || before.cost <= Money::ZERO {
            return None;
        }
        let percent = (after.cost.as_usd() / before.cost.as_usd() - 1.0) * 100.0;
        Some(format!(" ({percent:+.0} %)"))
    }
}

fn first_token(percentile: &str, both: [Option<u32>; 2]) -> String {
    let [before, after] = both.map(|found| found.map_or_else(|| "-".to_owned(), time));
    format!("first token {percentile} {before}, then {after}")
}

/// A predicted amount. What is not known is counted beside it, and never shown as nothing.
fn amount(money: Money, per: &str, totals: &Totals) -> String {
    if totals.unpriced > 0 && totals.unpriced == totals.served {
        return "unknown".to_owned();
    }
    let known = money.to_string();
    // Nothing is exact, and less than the least that is shown is vague enough.
    let about = if money == Money::ZERO || known.starts_with('<') { "" } else { "~" };
    let unknown = if totals.unpriced > 0 { format!(" + {} unknown", totals.unpriced) } else { String::new() };
    format!("{about}{known}{per}{unknown}")
}

/// A part of a whole, in whole percent: `26 %`, and `<1 %` for what is less than half of one.
#[must_use]
pub fn share(part: u32, of: u32) -> String {
    let of = u64::from(of.max(1));
    match (u64::from(part) * 100 + of / 2) / of {
        0 => "<1 %".to_owned(),
        percent => format!("{percent} %"),
    }
}

/// Minutes up to two hours, hours up to two days.
const HOURS_FROM: u64 = 120 * 60;
const DAYS_FROM: u64 = 48 * 3_600;

fn coarse(span: Duration) -> String {
    match span.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..HOURS_FROM => format!("{} min", (seconds + 30) / 60),
        seconds @ HOURS_FROM..DAYS_FROM => format!("{} h", (seconds + 1_800) / 3_600),
        seconds => format!("{} days", (seconds + 43_200) / 86_400),
    }
}

fn time(millis: u32) -> String {
    if millis < 1_000 { format!("{millis} ms") } else { format!("{:.1} s", f64::from(millis) / 1_000.0) }
}

#[cfg(test)]
mod tests {
    use super::super::{Loss, Move, Private};
    use super::*;

    fn way(from: &str, to: &str, requests: u32) -> Move {
        Move { from: from.into(), to: to.into(), requests }
    }

    fn totals(served: u32, hourly: f64, first_token_ms: u32) -> Totals {
        Totals {
            served,
            cost: Money::from_usd(hourly / 4.0).expect("an amount"),
            cost_per_hour: Money::from_usd(hourly),
            first_token_p95_ms: Some(first_token_ms),
            ..Totals::default()
        }
    }

    fn foreseen() -> Foreseen {
        Foreseen {
            requests: 120,
            span: Duration::from_secs(14 * 60),
            moves: vec![way("claude", "frontier", 31), way("claude", "local", 7)],
            lost: vec![Loss { why: "1 finding must stay on this machine".into(), requests: 2 }],
            gained: 0,
            before: totals(120, 1.2, 1_900),
            after: totals(118, 2.1, 3_100),
            ..Foreseen::default()
        }
    }

    #[test]
    fn what_would_move_and_fail_is_told_with_counts_cost_and_time() {
        let expected = [
            "38 of 120 requests of the last 14 min would move:",
            "  claude to frontier  31 (26 %)",
            "  claude to local      7 (6 %)",
            "  2 would fail: 1 finding must stay on this machine",
            "their cost ~$1.20/h, then ~$2.10/h",
            "first token p95 1.9 s, then 3.1 s",
        ];
        assert_eq!(foreseen().sentences(), expected);
    }

    #[test]
    fn where_nothing_changes_one_sentence_is_enough() {
        let same = |requests| Foreseen { requests, ..Foreseen::default() }.sentences();
        assert_eq!(same(120), ["none of the last 120 requests would go elsewhere"]);
        assert_eq!(same(1), ["the one request would not go elsewhere"]);
        assert_eq!(same(0), ["no requests to look at"]);
    }

    #[test]
    fn too_short_a_span_has_no_rate_but_a_sum() {
        let short = |totals: Totals| Totals { cost_per_hour: None, ..totals };
        let foreseen = foreseen();
        let (before, after) = (short(foreseen.before), short(foreseen.after));
        let sentences = Foreseen { span: Duration::ZERO, before, after, ..foreseen }.sentences();
        assert_eq!(sentences[0], "38 of 120 requests would move:");
        assert!(sentences.contains(&"their cost in all ~$0.300, then ~$0.525".to_owned()), "{sentences:?}");
    }

    #[test]
    fn an_unknown_cost_is_counted_and_never_shown_as_nothing() {
        let mut foreseen = foreseen();
        (foreseen.before.unpriced, foreseen.after) = (4, Totals { unpriced: 118, ..totals(118, 0.0, 90) });
        let sentences = foreseen.sentences();
        assert!(sentences.contains(&"their cost ~$1.20/h + 4 unknown, then unknown".to_owned()), "{sentences:?}");
        assert!(sentences.contains(&"first token p95 1.9 s, then 90 ms".to_owned()), "{sentences:?}");
    }

    #[test]
    fn a_replay_tells_failures_cost_time_and_what_becomes_of_private_prompts() {
        let told = Foreseen { private: Private { requests: 3, ..Private::default() }, ..foreseen() };
        let expected = [
            "2 would fail: 1 finding must stay on this machine",
            "their cost in all ~$0.300, then ~$0.525",
            "first token p50 -, then -",
            "first token p95 1.9 s, then 3.1 s",
            "none of the 3 private prompts would leave this machine",
        ];
        assert_eq!(told.replayed(), expected, "no percentage, since not the same requests are served");
        let same = Totals { served: 120, ..foreseen().after };
        let sentences = Foreseen { lost: Vec::new(), after: same, ..told.clone() }.replayed();
        assert_eq!(sentences[0], "their cost in all ~$0.300, then ~$0.525 (+75 %)");
        let out = Foreseen { private: Private { requests: 3, let_out: 2, redacted: 1, kept: 1 }, ..told };
        let sentences = out.replayed();
        let leaves =
            "2 of 3 private prompts would LEAVE this machine, 1 of them with placeholders for what was found: ";
        assert!(sentences[4].starts_with(leaves), "{sentences:?}");
        assert_eq!(sentences[5], "1 that may leave now would stay on this machine");
    }

    #[test]
    fn spans_are_told_in_the_unit_that_fits() {
        for (seconds, words) in [(90, "90 s"), (840, "14 min"), (7_200, "2 h"), (172_800, "2 days")] {
            assert_eq!(coarse(Duration::from_secs(seconds)), words);
        }
    }

    #[test]
    fn losses_without_moves_and_gains_are_told_too() {
        let only_lost = Foreseen { moves: Vec::new(), ..foreseen() }.sentences();
        assert_eq!(only_lost[0], "of 120 requests of the last 14 min, none would move");
        let gained = Foreseen { moves: Vec::new(), lost: Vec::new(), gained: 3, ..foreseen() }.sentences();
        assert_eq!(gained[1], "  3 that would fail now would be served");
    }

    #[test]
    fn many_ways_are_summed_up_and_every_sentence_fits() {
        let moves = (0..9).map(|number| way(&format!("backend-{number}"), "elsewhere", 9 - number)).collect();
        let sentences = Foreseen { moves, ..foreseen() }.sentences();
        assert_eq!(sentences[7], "  3 other ways            6 (5 %)");
        assert!(sentences.iter().all(|line| line.chars().count() <= 56), "{sentences:?}");
    }
}
