//! All that is known of one request.

use std::time::Duration;

use super::{Bill, Told, opened, outcome_style, outcome_words};
use crate::cli::ask::seconds;
use crate::cli::output::{Failure, Output, Style};
use crate::cli::when::full;
use crate::domain::money::{Cost, CostBasis, Money};
use crate::domain::privacy::Ruling;
use crate::domain::usage::Usage;
use crate::store::database::{KeptAttempt, KeptRequest};
use crate::store::record::{Result as End, Settled, TextRow};
use crate::tui::text;

/// The width of the labels.
const LABEL: usize = 12;

/// Prints a request with its attempts.
pub(super) fn print((request, attempts): &Told, output: &Output) -> Result<(), Failure> {
    let KeptRequest { asked, ended, judgement } = request;
    let sheet = Sheet { output, columns: output.width() };
    output.line(&output.styled(Style::Bold, &format!("request {}", asked.request)))?;
    sheet.line("asked", &format!("{} by {}", full(asked.at), asked.caller))?;
    sheet.line(
        "understood",
        &format!("{}, complexity {:.2}, about {} tokens in", asked.task, asked.complexity, asked.input_tokens),
    )?;
    let found: Vec<&str> = asked.found.iter().map(|kind| kind.name()).collect();
    let found = if found.is_empty() { "nothing found".to_owned() } else { format!("found {}", found.join(", ")) };
    sheet.line("guard", &format!("{found}; {}", ruled(asked.ruling)))?;
    match (asked.tier, &asked.backend, &asked.model) {
        (Some(tier), Some(backend), Some(model)) => {
            let cost = asked.predicted.map_or_else(|| "cost not foreseen".to_owned(), foreseen);
            sheet.line("was to go", &format!("{tier} · {model} on {backend}, {cost}"))?;
        }
        _ => sheet.line("was to go", "nowhere: nobody may serve it")?,
    }
    sheet.line("why", &asked.why)?;
    let outcome = ended.as_ref().map(|ended| ended.outcome);
    let words = output.styled(outcome_style(outcome), outcome_words(outcome));
    match ended {
        None => sheet.line("ended", &format!("not yet: {words}"))?,
        Some(ended) => {
            let total = seconds(Duration::from_millis(u64::from(ended.total_ms)));
            let reason = ended.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            sheet.line("ended", &format!("{} after {total}, {words}{reason}", full(ended.at)))?;
        }
    }
    if let Some(judgement) = judgement {
        sheet.line("judged", judgement.name())?;
    }
    sheet.line("cost", &Bill::of(attempts).words())?;
    attempts.iter().try_for_each(|attempt| print_attempt(attempt, &sheet))
}

/// Prints what was asked and answered, below the rest.
pub(super) fn print_text(text: Option<&TextRow>, output: &Output) -> Result<(), Failure> {
    let Some(text) = text else {
        output.note("no text was kept of it: [store] keep_text says whether it is");
        return Ok(());
    };
    for (label, words) in [("prompt", &text.prompt), ("answer", &text.answer)] {
        output.line(&output.styled(Style::Dim, label))?;
        output.line(words)?;
    }
    Ok(())
}

fn print_attempt(attempt: &KeptAttempt, sheet: &Sheet<'_>) -> Result<(), Failure> {
    let sent = opened(attempt);
    let place = format!("{} · {} on {}", sent.tier, sent.model, sent.backend);
    sheet.line(&format!("attempt {}", sent.number), &place)?;
    sheet.line("  sent", &format!("{}, {} set aside", full(sent.at), sent.reserved))?;
    let KeptAttempt::Settled(settled) = attempt else {
        return sheet.line("  ended", "not yet: in flight");
    };
    sheet.line("  ended", &ending(settled))?;
    sheet.line("  tokens", &settled.usage.as_ref().map_or_else(|| "—".to_owned(), by_kind))?;
    let charged = match settled.cost.amount {
        Some(amount) if amount == settled.charged => String::new(),
        _ => format!("; limits are charged with {}", settled.charged),
    };
    sheet.line("  cost", &format!("{}{charged}", surely(settled.cost, &settled.opened.prices)))
}

fn ending(settled: &Settled) -> String {
    let after = seconds(Duration::from_millis(u64::from(settled.total_ms)));
    let first = match settled.first_token_ms {
        Some(ms) => format!("first token after {}", seconds(Duration::from_millis(u64::from(ms)))),
        None => "no first token".to_owned(),
    };
    let delivered = if settled.delivered { "" } else { ", nothing of it delivered" };
    match settled.result {
        End::Answered(finish) => {
            let finish = serde_json::to_value(finish).unwrap_or_default();
            let finish = finish.as_str().unwrap_or_default().replace('_', " ");
            format!("answered ({finish}) after {after}, {first}")
        }
        End::Failed(class) => {
            let status = settled.status.map(|status| format!(" (HTTP {status})")).unwrap_or_default();
            format!("{}{status} after {after}, {first}{delivered}", class.words())
        }
        End::Lost => "lost: the program ended before it did".to_owned(),
    }
}

/// The kinds of tokens that there were.
fn by_kind(usage: &Usage) -> String {
    let Usage { input, cache_read, cache_write, cache_write_1h, output, reasoning } = *usage;
    let cached = [
        (cache_read, "read from the cache"),
        (cache_write, "written to the cache"),
        (cache_write_1h, "written to the cache for an hour"),
    ];
    let cached = cached.iter().filter(|(tokens, _)| *tokens > 0).map(|(tokens, words)| format!(", {tokens} {words}"));
    let reasoning = if reasoning > 0 { format!(", {reasoning} of it reasoning") } else { String::new() };
    format!("{input} in{}, {output} out{reasoning}", cached.collect::<String>())
}

/// A cost, and how sure it is.
fn surely(cost: Cost, prices: &str) -> String {
    let basis = match cost.basis {
        CostBasis::Reported => "as the gateway reported it".to_owned(),
        CostBasis::Priced if prices.is_empty() => "by the configured prices".to_owned(),
        CostBasis::Priced => format!("by the prices of {prices}"),
        CostBasis::Timed => "by the time it took of a machine".to_owned(),
        CostBasis::Estimated => "estimated, since its usage never came".to_owned(),
        CostBasis::Unknown => "nobody knows: no price or no usage".to_owned(),
    };
    format!("{cost}, {basis}")
}

fn foreseen(cost: Money) -> String {
    format!("{} foreseen", text::money(cost, cost > Money::ZERO))
}

const fn ruled(ruling: Ruling) -> &'static str {
    match ruling {
        Ruling::Free => "may go anywhere",
        Ruling::FreeRedacted => "may go anywhere, redacted outside this machine",
        Ruling::KeepAsAsked => "stays on this machine, as was asked",
        Ruling::KeepAsFound => "stays on this machine",
        Ruling::Refuse => "goes nowhere",
    }
}

/// Lines of a label and what there is to say, wrapped to the terminal.
struct Sheet<'a> {
    output: &'a Output,
    columns: Option<usize>,
}

impl Sheet<'_> {
    fn line(&self, label: &str, words: &str) -> Result<(), Failure> {
        let rows = match self.columns {
            // The escape sequences of a style take no room, and are at most in one of the words.
            Some(columns) if text::width(words) + LABEL > columns => {
                text::wrap(words, columns.saturating_sub(LABEL).max(1))
            }
            _ => vec![words.to_owned()],
        };
        for (place, row) in rows.iter().enumerate() {
            let label = if place == 0 { label } else { "" };
            let label = self.output.styled(Style::Dim, &text::pad(label, LABEL));
            self.output.line(&format!("{label}{row}"))?;
        }
        Ok(())
    }
}
