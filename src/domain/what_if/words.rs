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
        let first_token = |totals: &Totals| totals.first_token_p95_ms.map_or_else(|| "-".to_owned(), time);
        sentences.push(format!("first token p95 {}, then {}", first_token(&self.before), first_token(&self.after)));
        sentences
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
        format!("their cost in all {}, then {}", amount(before.cost, "", before), amount(after.cost, "", after))
    }
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

fn share(part: u32, of: u32) -> String {
    let of = u64::from(of.max(1));
    match (u64::from(part) * 100 + of / 2) / of {
        0 => "<1 %".to_owned(),
        percent => format!("{percent} %"),
    }
}

fn coarse(span: Duration) -> String {
    match span.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds => format!("{} min", (seconds + 30) / 60),
    }
}

fn time(millis: u32) -> String {
    if millis < 1_000 { format!("{millis} ms") } else { format!("{:.1} s", f64::from(millis) / 1_000.0) }
}

#[cfg(test)]
mod tests {
    use super::super::{Loss, Move};
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
