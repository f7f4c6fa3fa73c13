//! Who has which fault: standing ones, ones for the next prompts, ones that a prompt asks for itself, and storms.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::fault::{Fault, FaultKind};
use super::rng::Chance;
use crate::domain::id::BackendId;
use crate::domain::tier::Tier;

/// Bad weather: each prompt, whichever upstream it reaches, meets a fault with some likelihood.
#[derive(Clone, Debug, PartialEq)]
pub struct Storm {
    /// The share of prompts that meet a fault, from 0 to 1.
    pub share: f32,
    /// The faults, each as likely as the others.
    pub faults: Vec<Fault>,
    /// What chance starts from: the same seed gives the same faults in the order in which prompts arrive.
    pub seed: u64,
}

#[derive(Debug, Default)]
struct Dial {
    standing: Option<Fault>,
    /// Faults for the next prompts, nearest first.
    next: Vec<(Fault, u32)>,
}

#[derive(Debug, Default)]
struct Weather {
    dials: BTreeMap<BackendId, Dial>,
    storm: Option<(Storm, Chance)>,
}

/// Who has which fault. Clones are handles of the same dials.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    weather: Arc<Mutex<Weather>>,
    /// Told of every turn of a dial.
    turned: watch::Sender<()>,
}

impl Faults {
    fn weather(&self) -> MutexGuard<'_, Weather> {
        self.weather.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a backend a standing fault, or takes it and all that was set for its next prompts away.
    pub fn set(&self, backend: &BackendId, fault: Option<Fault>) {
        let dials = &mut self.weather().dials;
        match fault {
            Some(fault) => dials.entry(backend.clone()).or_default().standing = Some(fault),
            None => {
                dials.remove(backend);
            }
        }
        self.turned.send_replace(());
    }

    /// Gives a backend a fault for its next `count` prompts, before any standing one. Probes do not count and do not
    /// meet it, so that a test is not at the mercy of the prober's timing.
    pub fn set_for_next(&self, backend: &BackendId, fault: Fault, count: u32) {
        if count > 0 {
            self.weather().dials.entry(backend.clone()).or_default().next.push((fault, count));
        }
    }

    /// Lets a storm begin, or end. Prompts that have a fault already, by a dial or by their own wish, are left alone.
    pub fn storm(&self, storm: Option<Storm>) {
        self.weather().storm = storm.map(|storm| {
            let chance = Chance::new(storm.seed);
            (storm, chance)
        });
    }

    /// Takes all faults away, storms included.
    pub fn clear(&self) {
        *self.weather() = Weather::default();
        self.turned.send_replace(());
    }

    /// Every backend's fault as its next prompt would meet it, storms and prompts' own wishes left aside.
    #[must_use]
    pub fn current(&self) -> Vec<(BackendId, Fault)> {
        let weather = self.weather();
        let fault = |dial: &Dial| dial.next.first().map(|(fault, _)| *fault).or(dial.standing);
        weather.dials.iter().filter_map(|(id, dial)| fault(dial).map(|fault| (id.clone(), fault))).collect()
    }

    /// Whether nobody shall listen at a backend's port, and a way to hear of changes.
    pub(super) fn nobody_listens(&self, backend: &BackendId) -> bool {
        let standing = self.weather().dials.get(backend).and_then(|dial| dial.standing);
        standing.is_some_and(|fault| fault.kind == FaultKind::NoListener)
    }

    pub(super) fn turns(&self) -> watch::Receiver<()> {
        self.turned.subscribe()
    }

    /// The fault that a prompt meets; counts it down. Its own wish comes first, then the dials, then the storm. What has
    /// no prompt, and is real work all the same, knows the dials alone.
    pub(super) fn draw(&self, backend: &BackendId, tier: Tier, prompt: Option<&str>) -> Option<Fault> {
        let wished = prompt.and_then(|prompt| wish(prompt, backend.as_str(), tier.name()));
        if wished.is_some() {
            return wished;
        }
        let mut weather = self.weather();
        if let Some(dial) = weather.dials.get_mut(backend) {
            if let Some((fault, left)) = dial.next.first_mut() {
                let fault = *fault;
                *left -= 1;
                if *left == 0 {
                    dial.next.remove(0);
                }
                return Some(fault);
            }
            if dial.standing.is_some() {
                return dial.standing;
            }
        }
        let (storm, chance) = weather.storm.as_ref().filter(|_| prompt.is_some())?;
        if chance.unit() < storm.share { chance.pick(&storm.faults).copied() } else { None }
    }

    /// The fault that a probe or a listing meets.
    pub(super) fn of_probes(&self, backend: &BackendId) -> Option<Fault> {
        let standing = self.weather().dials.get(backend).and_then(|dial| dial.standing);
        standing.filter(|fault| fault.kind.hits_probes())
    }
}

/// What opens and what closes a prompt's wish for a fault.
const MARKS: (&str, &str) = ("[[fault ", "]]");

/// The fault that a prompt wishes of this upstream: the first of its `[[fault WHO KIND NUMBER]]` that names the backend,
/// its tier or, with `*`, everybody.
fn wish(prompt: &str, backend: &str, tier: &str) -> Option<Fault> {
    let wishes = prompt.split(MARKS.0).skip(1).filter_map(|rest| rest.split_once(MARKS.1));
    wishes
        .filter_map(|(wish, _)| wish.trim().split_once(' '))
        .filter(|(who, _)| *who == backend || *who == tier || *who == "*")
        .find_map(|(_, fault)| fault.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_wishes_for_faults_by_backend_by_tier_and_of_everybody() {
        let met = |prompt| wish(prompt, "anthropic", "claude");
        assert_eq!(met("hi [[fault anthropic cut 3]]"), Some(Fault::cut_after(3.0)));
        assert_eq!(met("[[fault claude silent]] hi"), Some(FaultKind::Silent.into()));
        assert_eq!(met("[[fault * server-error]]"), Some(FaultKind::ServerError.into()));
        assert_eq!(met("[[fault gemini cut]][[fault claude down]]"), Some(FaultKind::Down.into()));
        for plain in ["hi", "[[fault gemini cut]]", "[[fault anthropic]]", "[[fault * sideways]]", "[[fault * cut"] {
            assert_eq!(met(plain), None, "{plain}");
        }
    }

    #[test]
    fn a_storm_repeats_itself_for_a_seed_and_keeps_its_share() {
        let faults: Vec<Fault> = [FaultKind::Down, FaultKind::Empty, FaultKind::Garbage].map(Fault::from).into();
        let drawn = |seed| {
            let dials = Faults::default();
            dials.storm(Some(Storm { share: 0.3, faults: faults.clone(), seed }));
            (0..1_000).map(|_| dials.draw(&BackendId::from("a"), Tier::Gpu, Some("hi"))).collect::<Vec<_>>()
        };
        let met = drawn(7);
        assert_eq!(met, drawn(7));
        assert_ne!(met, drawn(8));
        let count = met.iter().flatten().count();
        assert!((250..350).contains(&count), "{count} of 1,000");
        assert!(faults.iter().all(|fault| met.contains(&Some(*fault))));
    }

    #[test]
    fn a_wish_comes_before_the_dials_and_the_dials_before_the_storm() {
        let dials = Faults::default();
        let id = BackendId::from("a");
        let draw = |prompt| dials.draw(&id, Tier::Gpu, Some(prompt)).map(|fault| fault.kind);
        dials.storm(Some(Storm { share: 1.0, faults: vec![FaultKind::Garbage.into()], seed: 1 }));
        dials.set(&id, Some(FaultKind::Empty.into()));
        dials.set_for_next(&id, FaultKind::Html.into(), 1);
        assert_eq!(draw("[[fault a down]]"), Some(FaultKind::Down));
        assert_eq!(draw("hi"), Some(FaultKind::Html));
        assert_eq!(draw("hi"), Some(FaultKind::Empty));
        dials.set(&id, None);
        assert_eq!(draw("hi"), Some(FaultKind::Garbage));
        dials.storm(None);
        assert_eq!(draw("hi"), None);
    }
}
