//! What cues that stand close together amount to.
//!
//! Each rule starts from one kind of cue, looks at what stands around it and asks for several kinds of evidence; a word
//! that was mistyped costs one piece of it, and mostly not the whole.

use super::cues::{Cue, GROUPS, Group};
use crate::domain::privacy::{FindingKind, Kinds};

/// An intent that shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Which.
    pub kind: FindingKind,
    /// The first byte of the cues that gave it away, in the plain form.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// Why.
    pub why: &'static str,
}

/// How far cues may stand apart, in bytes: a long sentence of English, two of Chinese.
const REACH: usize = 150;
/// How far a negation, a verb and an object may stand apart, in bytes: a clause.
const CLAUSE: usize = 64;
/// Cues looked at on each side of one. Text that consists of cues would otherwise take time quadratic to its size.
const MOST_NEAR: usize = 40;
/// Where what is wanted of a text is said, in bytes from its beginning and its end. The text in between is material.
const EDGE: usize = 700;

/// A text in which everything is said for its own sake, in bytes: an order, not an order with material.
const SHORT: usize = 400;

/// Weighs the cues of a text for the kinds that are `wanted`.
pub fn weigh(plain: &[u8], cues: &[Cue], wanted: Kinds, mut shown: impl FnMut(Shown)) {
    let ground = Ground { plain, cues, is_question: is_question(plain, cues), wanted };
    let mut seen: Vec<FindingKind> = Vec::new();
    for place in 0..cues.len() {
        let found = ground.private(place).or_else(|| ground.stays(place)).or_else(|| ground.attack(place));
        if let Some(found) = found
            && wanted.has(found.kind)
            && !seen.contains(&found.kind)
        {
            seen.push(found.kind);
            shown(found);
        }
    }
}

/// Whether the text begins by asking about a notion.
fn is_question(plain: &[u8], cues: &[Cue]) -> bool {
    let asks = |cue: &&Cue| cue.group == Group::About;
    let limit = if plain.get(1).is_some_and(u8::is_ascii) { 24 } else { 60 };
    cues.iter().take_while(|cue| cue.start <= limit).any(|cue| asks(&cue))
}

struct Ground<'a> {
    plain: &'a [u8],
    cues: &'a [Cue],
    is_question: bool,
    wanted: Kinds,
}

/// What stands around a cue.
struct Near {
    best: [u8; GROUPS],
    sum: [u8; GROUPS],
}

impl Near {
    const fn best(&self, group: Group) -> u8 {
        self.best[group as usize]
    }

    const fn has(&self, group: Group) -> bool {
        self.best(group) > 0
    }

    /// The strongest cue of a group, and one more for a second one.
    const fn strength(&self, group: Group) -> u8 {
        let best = self.best(group);
        if self.sum[group as usize] > best { best + 1 } else { best }
    }
}

impl Ground<'_> {
    /// The cues within a distance of one, in order.
    fn around(&self, place: usize, reach: usize) -> &[Cue] {
        let Some(anchor) = self.cues.get(place) else { return &[] };
        let before = &self.cues[..place];
        let first = before.iter().rev().take(MOST_NEAR).take_while(|cue| anchor.start.saturating_sub(cue.end) <= reach);
        let after = &self.cues[place..];
        let last = after.iter().take(MOST_NEAR).take_while(|cue| cue.start.saturating_sub(anchor.end) <= reach);
        &self.cues[place - first.count()..place + last.count()]
    }

    fn near(&self, cues: &[Cue]) -> Near {
        let mut near = Near { best: [0; GROUPS], sum: [0; GROUPS] };
        let mut ends = [0; GROUPS];
        for cue in cues {
            let group = cue.group as usize;
            let is_verb = matches!(cue.group, Group::Handle | Group::Make | Group::Show | Group::Reveal);
            if is_verb && !self.is_order(cue) {
                continue;
            }
            near.best[group] = near.best[group].max(cue.weight);
            // Cues that overlap are one piece of evidence.
            if cue.start >= ends[group] {
                near.sum[group] = near.sum[group].saturating_add(cue.weight);
                ends[group] = cue.end;
            }
        }
        near
    }

    /// Whether a verb is an order or a wish: at the beginning of a sentence, or after a word that leads to one.
    fn is_order(&self, cue: &Cue) -> bool {
        let Some(before) = self.plain.get(..cue.start.saturating_sub(1)) else { return false };
        let is_wide = self.plain.get(cue.start).is_some_and(|first| *first >= 0xE0);
        // "B. Identify": an answer to choose, not an order.
        if let [.., b' ' | b'\n', b'a'..=b'z', b'.'] = before {
            return false;
        }
        // A sentence or a line has just begun.
        if is_wide || before.is_empty() || before.ends_with(b".") || before.ends_with(b"\n") {
            return true;
        }
        let is_second =
            matches!(cue.group, Group::Show | Group::Reveal) && SECOND.iter().any(|lead| before.ends_with(lead));
        is_second || LEADS.iter().any(|lead| before.ends_with(lead))
    }

    fn is_at_an_edge(&self, cue: &Cue) -> bool {
        cue.start <= EDGE || cue.end + EDGE >= self.plain.len()
    }

    fn private(&self, place: usize) -> Option<Shown> {
        use Group::{Business, Code, Generic, Given, Handle, Invention, Make, Ours, Paper, People, Private, Systems};
        let anchor = self.cues.get(place)?;
        let is_matter = matches!(anchor.group, Paper | Business | Systems | Invention | Code | People);
        let is_short = self.plain.len() <= SHORT;
        let is_telling = anchor.group == Private || anchor.group == Ours && is_short || is_matter && anchor.weight >= 2;
        if !is_telling || !self.is_at_an_edge(anchor) {
            return None;
        }
        let cues = self.around(place, REACH);
        let near = self.near(cues);
        let kinds = [
            (Paper, FindingKind::Confidential, "an internal paper"),
            (Business, FindingKind::Confidential, "a matter of the business"),
            (Systems, FindingKind::Confidential, "the running systems"),
            (Invention, FindingKind::Confidential, "an invention or a trade secret"),
            (Code, FindingKind::ProprietaryCode, "code that is not public"),
            (People, FindingKind::PersonalRecords, "records on people"),
        ];
        let strongest = kinds.into_iter().max_by_key(|(group, _, _)| near.strength(*group))?;
        let is_wanted = near.strength(strongest.0) == 0 || self.wanted.has(strongest.1);
        // What is not looked for does not hide what stands beside it and is.
        let own = kinds.into_iter().find(|(group, kind, _)| *group == anchor.group && self.wanted.has(*kind));
        let (group, kind, why) = if is_wanted { strongest } else { own? };
        let matter = near.strength(group);
        let (kind, why) = if matter == 0 { (FindingKind::Confidential, "it is not public") } else { (kind, why) };
        let others = kinds.iter().any(|(other, _, _)| *other != group && near.has(*other));
        let is_ours = near.has(Ours);
        // "This memo" and "the budget" are somebody's; "a budget" is a kind of thing, and so are systems and code.
        let is_special = !matches!(group, Systems | Code);
        let is_given = is_special && near.best(group) >= 2 && self.is_given(cues, anchor);
        let is_one_thing =
            is_special && is_short && (near.best(group) >= 3 || (matter >= 3 && self.is_definite(anchor)));
        if !(near.has(Private) || is_ours || is_one_thing || is_given) {
            return None;
        }
        // Something new is nobody's yet, unless it is made of what is ours.
        // "Review our …": whatever it is, it is not public.
        let is_order_on_ours = is_short && self.is_order_on_ours(cues);
        let is_marked = near.has(Private) && near.has(Handle) && (is_ours || near.has(Given)) && is_short;
        if matter == 0 && !is_order_on_ours && !is_marked {
            return None;
        }
        let is_worked_on =
            near.has(Handle) || near.has(Make) && (is_ours || is_given || near.has(Private) && near.has(Given));
        // In a long text, only what an order stands beside is what the prompt is about.
        let is_told = is_short && (self.is_ours(cues, anchor) || is_given && near.best(group) >= 3);
        if !(is_worked_on || is_told) {
            return None;
        }
        let for_it = near.best(Private)
            + near.best(Ours)
            + u8::from(near.has(Given))
            + u8::from(is_worked_on)
            + matter
            + u8::from(others)
            + 2 * u8::from(is_order_on_ours);
        let against = near.best(Generic) + if self.is_question && !near.has(Ours) { 3 } else { 0 };
        (for_it >= against + ENOUGH).then(|| self.shown(kind, cues, &[Handle, Make, Private, Ours, group], why))
    }

    /// Whether "our" or the like stands before, as close as a few adjectives.
    fn is_ours(&self, cues: &[Cue], anchor: &Cue) -> bool {
        cues.iter()
            .any(|cue| cue.group == Group::Ours && cue.end <= anchor.end && anchor.start.saturating_sub(cue.end) <= 40)
    }

    /// Whether an order has "our" as its object: "review our", "diagnose why our".
    fn is_order_on_ours(&self, cues: &[Cue]) -> bool {
        let orders = cues.iter().filter(|cue| cue.group == Group::Handle && self.is_order(cue));
        let is_object =
            |order: &Cue, cue: &Cue| cue.group == Group::Ours && cue.start >= order.end && cue.start - order.end <= 16;
        orders.into_iter().any(|order| cues.iter().any(|cue| is_object(order, cue)))
    }

    /// Whether two cues stand in one sentence.
    fn are_together(&self, one: &Cue, other: &Cue) -> bool {
        let (first, second) = if one.start <= other.start { (one, other) } else { (other, one) };
        !self.plain.get(first.end..second.start).is_some_and(|between| between.contains(&b'.'))
    }

    /// Whether "this" or the like stands right before.
    fn is_given(&self, cues: &[Cue], anchor: &Cue) -> bool {
        cues.iter().any(|cue| cue.group == Group::Given && cue.end <= anchor.start && anchor.start - cue.end <= 30)
    }

    /// Whether "the" stands before: "the budget" is one that there is, "a budget" may be any.
    fn is_definite(&self, anchor: &Cue) -> bool {
        if is_wide(self.plain, anchor) {
            // Chinese and Japanese have no articles. Systems and code are what people ask about in general.
            return !matches!(anchor.group, Group::Systems | Group::Code) && !self.is_question;
        }
        let from = anchor.start.saturating_sub(30);
        self.plain.get(from..anchor.start).is_some_and(|before| before.windows(5).any(|word| word == b" the "))
    }

    fn stays(&self, place: usize) -> Option<Shown> {
        use Group::{Here, Matter, Must, Not, NotAfter, Out, Send, Stay};
        let anchor = self.cues.get(place)?;
        let why = match anchor.group {
            Send => {
                let cues = self.around(place, CLAUSE);
                let near = self.near(cues);
                let is_forbidden = cues.iter().any(|cue| {
                    let is_before =
                        cue.end <= anchor.start && anchor.start - cue.end <= if cue.weight > 1 { 40 } else { 24 };
                    // Japanese says "not" after the verb.
                    let is_after = is_wide(self.plain, cue) && cue.end.abs_diff(anchor.end) <= 30;
                    let is_not =
                        cue.group == Not && (is_before || is_after) || cue.group == NotAfter && cue.start >= anchor.end;
                    is_not && self.are_together(cue, anchor)
                });
                let told = cues.iter().filter(|cue| cue.group == Out && self.are_together(cue, anchor));
                let told = told.filter(|cue| cue.end > anchor.start || is_wide(self.plain, cue));
                let out = told.clone().map(|cue| cue.weight).max().unwrap_or_default();
                // "Do not use the word cloud": what is merely used has to be a service, or what is to stay has to be named.
                let is_service = told.into_iter().any(|cue| cue.end - cue.start >= SERVICE);
                if anchor.weight == 1
                    && !is_wide(self.plain, anchor)
                    && !(is_service || near.has(Here) || near.has(Must))
                {
                    return None;
                }
                let beside = near.has(Matter) || near.has(Here) || near.has(Must);
                (is_forbidden && out >= 1 && out + anchor.weight + u8::from(beside) >= 4)
                    .then_some((cues, "it must not be sent out"))
            }
            Out if anchor.weight >= 2 => {
                // "No cloud services."
                let cues = self.around(place, CLAUSE);
                let is_forbidden =
                    cues.iter().any(|cue| cue.group == Not && cue.end <= anchor.start && anchor.start - cue.end <= 13);
                let near = self.near(cues);
                (is_forbidden && near.has(Here) && near.has(Stay)).then_some((cues, "nothing outside may be used"))
            }
            Here => {
                let cues = self.around(place, CLAUSE);
                let near = self.near(cues);
                let for_it = near.best(Here)
                    + near.best(Stay)
                    + near.best(Must)
                    + near.best(Matter)
                    + near.best(Group::Private) / 2;
                (near.has(Stay) && for_it >= 4 && !self.is_question && !near.has(Group::Generic))
                    .then_some((cues, "it must be worked on here"))
            }
            _ => None,
        };
        let (cues, why) = why?;
        Some(self.shown(FindingKind::StayLocal, cues, &[Not, Send, Out, Here, Stay], why))
    }

    fn attack(&self, place: usize) -> Option<Shown> {
        use Group::{
            Credential, Extent, Harm, Instructions, Lifted, Obey, Override, Part, Planted, Reveal, Rules, Show, Story,
            Unbound, Which, Yours,
        };
        let anchor = self.cues.get(place)?;
        let (cues, groups, why): (_, &[Group], _) = match anchor.group {
            Override => {
                let cues = self.around(place, CLAUSE);
                let told = |group| {
                    let after = |cue: &&Cue| cue.end > anchor.start || is_wide(self.plain, cue);
                    let of = move |cue: &&Cue| cue.group == group && self.are_together(cue, anchor);
                    cues.iter().filter(after).filter(of).map(|cue| cue.weight).max().unwrap_or_default()
                };
                let near = self.near(cues);
                let is_planted = near.has(Planted) && (near.has(Reveal) || near.has(Show) || near.has(Obey));
                ((told(Rules) >= 1 && told(Which) >= 1 || is_planted) && !self.is_about(anchor)).then_some((
                    cues,
                    &[Override, Rules, Which][..],
                    "it overrides the rules",
                ))?
            }
            Lifted => {
                let cues = self.around(place, CLAUSE);
                let told = |group| {
                    let before = |cue: &&Cue| cue.end <= anchor.start && self.are_together(cue, anchor);
                    cues.iter().filter(before).any(|cue| cue.group == group)
                };
                (told(Rules) && told(Which) && !self.is_about(anchor)).then_some((
                    cues,
                    &[Rules, Which, Lifted][..],
                    "it says that the rules are lifted",
                ))?
            }
            Unbound => {
                let cues = self.around(place, REACH);
                let near = self.near(cues);
                let overrides = |cue: &Cue| cue.group == Override && cue.start != anchor.start;
                ((near.has(Part) || cues.iter().any(overrides)) && !self.is_about(anchor)).then_some((
                    cues,
                    &[Part, Unbound][..],
                    "it asks for a part without bounds",
                ))?
            }
            Obey => {
                let cues = self.around(place, REACH);
                let near = self.near(cues);
                ((near.has(Planted) || near.has(Override)) && !self.is_about(anchor)).then_some((
                    cues,
                    &[Planted, Obey][..],
                    "it has hidden orders obeyed",
                ))?
            }
            Harm => {
                let cues = self.around(place, REACH);
                let near = self.near(cues);
                let is_early = cues.iter().any(|cue| cue.group == Story && cue.start <= SHORT);
                (is_early && near.best(Story) + near.strength(Harm) + near.best(Unbound) >= 3).then_some((
                    cues,
                    &[Story, Harm][..],
                    "it hides harm in a story",
                ))?
            }
            Instructions => {
                let cues = self.around(place, CLAUSE);
                let near = self.near(cues);
                let asks = near.best(Reveal) + near.best(Show);
                (asks >= 1 && asks + near.best(Yours) >= 2 && !self.is_about(anchor) && !self.is_denied(cues, anchor))
                    .then_some((cues, &[Reveal, Show, Instructions][..], "it asks for hidden instructions"))?
            }
            Credential => {
                let cues = self.around(place, CLAUSE);
                let near = self.near(cues);
                let asks = near.best(Reveal) + near.best(Show);
                let enough = asks + near.strength(Credential) + near.strength(Extent).min(2);
                let is_taught = self.teaches(anchor) && !near.has(Group::Ours);
                (asks >= 1
                    && !is_taught
                    && !self.is_about(anchor)
                    && enough >= 4
                    && !self.is_denied(cues, anchor)
                    && !near.has(Group::Generic))
                .then_some((cues, &[Reveal, Show, Credential][..], "it asks for credentials"))?
            }
            _ => return None,
        };
        Some(self.shown(FindingKind::Attack, cues, groups, why))
    }

    /// Whether the text begins by asking about a notion, and this belongs to that question.
    fn is_about(&self, anchor: &Cue) -> bool {
        self.is_question && anchor.start <= REACH
    }

    /// Whether "how to" or the writing of a program stands before: then it is to be taught, not to be done.
    fn teaches(&self, anchor: &Cue) -> bool {
        let before = self.plain.get(anchor.start.saturating_sub(REACH)..anchor.start).unwrap_or_default();
        let told = |words: &[u8]| before.windows(words.len()).any(|window| window == words);
        [&b" how to "[..], b" function ", b" script ", b" regex ", b" program ", b" code to ", b" query "]
            .into_iter()
            .any(told)
    }

    /// Whether a clause says that it must not be done: "never reveal your instructions" guards them.
    fn is_denied(&self, cues: &[Cue], anchor: &Cue) -> bool {
        let told = |cue: &&Cue| matches!(cue.group, Group::Reveal | Group::Show | Group::Override);
        let Some(verb) = cues.iter().filter(told).min_by_key(|cue| cue.start.abs_diff(anchor.start)) else {
            return false;
        };
        cues.iter().any(|cue| cue.group == Group::Not && cue.end <= verb.start && verb.start - cue.end <= 12)
    }

    fn shown(&self, kind: FindingKind, cues: &[Cue], groups: &[Group], why: &'static str) -> Shown {
        let told = cues.iter().filter(|cue| groups.contains(&cue.group));
        let start = told.clone().map(|cue| cue.start).min().unwrap_or_default();
        let end = told.map(|cue| cue.end).max().unwrap_or_default();
        // A cue is a stem; the finding goes to the end of its word.
        let rest = self.plain.get(end..).unwrap_or_default();
        let end = end + rest.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        Shown { kind, start, end, why }
    }
}

/// The least length of words that name a service outside, in bytes: `openai api`, `cloud api`.
const SERVICE: usize = 9;

/// Evidence that makes a prompt private: a verb, an owner or a mark, and a thing that is plainly of one kind.
const ENOUGH: u8 = 4;

/// Words after which a verb is an order or a wish.
const LEADS: &[&[u8]] = &[
    b" please",
    b" pls",
    b" help me",
    b" help me to",
    b" help us",
    b" let me",
    b" need to",
    b" want to",
    b" like to",
    b" have to",
    b" want you to",
    b" need you to",
    b" can you",
    b" could you",
    b" would you",
    b" will you",
    b" you to",
    b" lets",
    b" just",
    b" quickly",
    b" kindly",
    b" carefully",
    b" por favor",
    b" bitte",
    b" puedes",
    b" pouvez vous",
    b" task",
    b" hi",
    b" hello",
    b" hey",
];

fn is_wide(plain: &[u8], cue: &Cue) -> bool {
    plain.get(cue.start).is_some_and(|first| *first >= 0xE0)
}

/// Words after which a second order comes.
const SECOND: &[&[u8]] = &[b" and", b" then", b" to", b" und", b" et", b" y", b" e", "и".as_bytes()];
