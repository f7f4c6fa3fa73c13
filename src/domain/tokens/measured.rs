//! A prompt measured once, to be counted for many models.

use std::borrow::Cow;
use std::cell::OnceCell;

use serde::{Deserialize, Serialize};

use super::super::bytes;
use super::super::id::ModelId;
use super::super::prompt::Prompt;
use super::calibration::{Calibration, FEATURES, Features};
use super::family::Family;
use super::vocabulary::{Tally, Vocabulary};

/// How many tokens a prompt has for a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenCount {
    /// Tokens, what wraps the messages included.
    pub tokens: u32,
    /// Whether it was counted with the model's own vocabulary, or only estimated.
    pub exact: bool,
}

/// The most that the hosted models count for one picture, which they scale down to about a megapixel.
const TOKENS_PER_IMAGE: usize = 1_600;

/// What a message costs besides its text, where no model is meant in particular: its role and its delimiters.
const PER_MESSAGE: usize = 4;

/// A prompt, and what was counted of it so far. Each vocabulary reads the text at most once, when first asked for.
pub struct Measured<'p> {
    texts: Vec<(usize, Cow<'p, str>)>,
    messages: usize,
    images: usize,
    tools: bool,
    counts: [OnceCell<Tally>; Vocabulary::ALL.len()],
    shares: OnceCell<Features>,
}

impl<'p> Measured<'p> {
    /// Begins to measure a prompt.
    #[must_use]
    pub fn of(prompt: &'p Prompt) -> Self {
        Self {
            texts: prompt.every_text(),
            messages: prompt.messages.len(),
            images: prompt.images(),
            tools: !prompt.tools.is_empty(),
            counts: Default::default(),
            shares: OnceCell::new(),
        }
    }

    /// Tokens of the texts alone.
    fn texts_with(&self, vocabulary: Vocabulary) -> Tally {
        let count = || {
            self.texts.iter().map(|(_, text)| vocabulary.count(text)).fold(Tally { tokens: 0, exact: true }, |a, b| {
                Tally { tokens: a.tokens + b.tokens, exact: a.exact && b.exact }
            })
        };
        self.counts.get(vocabulary.index()).map_or_else(count, |cell| *cell.get_or_init(count))
    }

    /// Tokens in the nearest public vocabulary, with what wraps messages and with pictures: of no model in particular.
    #[must_use]
    pub fn total(&self) -> u32 {
        let [base, ..] = self.features();
        let around = PER_MESSAGE * self.messages + TOKENS_PER_IMAGE * self.images;
        u32::try_from(base as usize + around).unwrap_or(u32::MAX)
    }

    /// Tokens for a model, as far as its vendor has published what it counts.
    #[must_use]
    pub fn tokens(&self, model: &ModelId) -> TokenCount {
        let family = Family::of(model.as_str());
        let tally = self.texts_with(family.vocabulary);
        let text = (tally.tokens as f64 * f64::from(family.factor)).round() as usize;
        let around = family.around as usize + family.each as usize * self.messages;
        let tokens = text + around + TOKENS_PER_IMAGE * self.images;
        TokenCount {
            tokens: u32::try_from(tokens).unwrap_or(u32::MAX),
            exact: family.exact && tally.exact && self.images == 0 && !self.tools,
        }
    }

    /// Tokens for a model, corrected by what its provider has billed so far. An exact count stays as it is.
    #[must_use]
    pub fn calibrated(&self, model: &ModelId, calibration: &Calibration) -> TokenCount {
        let published = self.tokens(model);
        if published.exact || self.images > 0 || !calibration.knows(model) {
            return published;
        }
        let tokens = calibration.estimate(model, &self.features(), published.tokens);
        TokenCount { tokens, exact: false }
    }

    /// What an estimate for a model without a public vocabulary goes by. `None` with pictures: what they cost says
    /// nothing about the text.
    #[must_use]
    pub fn learnable(&self) -> Option<Features> {
        (self.images == 0).then(|| self.features())
    }

    /// The counts that an estimate for any model starts from.
    #[must_use]
    pub fn features(&self) -> Features {
        *self.shares.get_or_init(|| {
            let mut features = [0.0; FEATURES];
            let (mut base, mut rare, mut rarer, mut length) = (0, 0, 0, 0);
            let (mut digits, mut foreign, mut lines, mut capitals, mut signs) = (0, 0, 0, 0, 0);
            for (_, text) in &self.texts {
                let [tokens, beyond, far_beyond] = Vocabulary::ranked(text);
                (base, rare, rarer) = (base + tokens, rare + beyond, rarer + far_beyond);
                length += text.len();
                digits += bytes::count(text, |byte| byte.is_ascii_digit());
                foreign += bytes::count(text, |byte| byte >= 0x80);
                lines += bytes::count(text, |byte| byte == b'\n');
                capitals += bytes::count(text, |byte| byte.is_ascii_uppercase());
                signs += bytes::count(text, |byte| byte.is_ascii_punctuation());
            }
            let counts = [base, self.messages, rare, rarer, length / 4, digits, foreign, lines, capitals, signs];
            for (feature, count) in features.iter_mut().zip(counts) {
                *feature = count as f32;
            }
            features
        })
    }
}

/// Tokens that a model is expected to make of a prompt of which only counts are left: `total` are the tokens of the nearest
/// public vocabulary with all that wraps them, `features` the counts of its text, `factor` what [`factor`] says of the model.
#[must_use]
pub fn expected(model: &ModelId, factor: f32, total: u32, features: &Features, calibration: &Calibration) -> u32 {
    let [base, ..] = *features;
    let more = base * (factor - 1.0);
    let published = (total as f32 + more).round().max(0.0) as u32;
    // What was billed says nothing about pictures.
    let has_pictures = total as f32 > base + TOKENS_PER_IMAGE as f32;
    if has_pictures || !calibration.knows(model) { published } else { calibration.estimate(model, features, published) }
}

/// Tokens that a model is known to make for one of the nearest public vocabulary.
#[must_use]
pub fn factor(model: &ModelId) -> f32 {
    Family::of(model.as_str()).factor
}

/// Tokens of one prompt for one model; for several models, measure the prompt once.
#[must_use]
pub fn count(prompt: &Prompt, model: &ModelId) -> TokenCount {
    Measured::of(prompt).tokens(model)
}
