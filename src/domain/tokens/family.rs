//! Which vocabulary a model reads with, and what wrapping a prompt adds.

use super::vocabulary::Vocabulary;

/// How a model's tokens are counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Family {
    /// The vocabulary to count with.
    pub vocabulary: Vocabulary,
    /// Whether that is the model's own, and what wrapping adds is published.
    pub exact: bool,
    /// Tokens of the model for one of the vocabulary.
    pub factor: f32,
    /// Tokens around the conversation.
    pub around: u32,
    /// Tokens around each message.
    pub each: u32,
}

impl Family {
    const fn own(vocabulary: Vocabulary, around: u32, each: u32) -> Self {
        Self { vocabulary, exact: true, factor: 1.0, around, each }
    }

    const fn like(vocabulary: Vocabulary, factor: f32, around: u32, each: u32) -> Self {
        Self { vocabulary, exact: false, factor, around, each }
    }

    /// OpenAI's own guide to counting: three tokens and the role around each message, three that open the answer.
    const OPENAI: Self = Self::own(Vocabulary::O200k, 3, 4);
    const OPENAI_OLD: Self = Self::own(Vocabulary::Cl100k, 3, 4);
    /// A message wrapped in `[INST]` and `[/INST]`, and the token that begins a text.
    const TEKKEN: Self = Self::own(Vocabulary::Tekken, 1, 2);
    /// `<|im_start|>`, the role, two line breaks and `<|im_end|>`; the head of the answer's message.
    const QWEN: Self = Self::own(Vocabulary::Qwen, 3, 5);
    /// Llama 3's vocabulary is that of GPT-4 and 28,000 tokens more, for other languages. Its head has four tokens, and
    /// each message ends with one.
    const LLAMA: Self = Self::like(Vocabulary::Cl100k, 1.0, 5, 5);
    /// Vocabularies of 32,000, before Llama 3 and Tekken: Meta gives 15 % fewer tokens for Llama 3 than for those.
    const SMALL: Self = Self::like(Vocabulary::Cl100k, 1.15, 1, 8);
    /// No vocabulary since Claude 2 is public. The hosted counter says 8 tokens for a greeting of one.
    const CLAUDE: Self = Self::like(Vocabulary::O200k, 1.12, 3, 4);
    /// From 4.7 on, about 30 % more than before, as the provider says.
    const CLAUDE_NEW: Self = Self::like(Vocabulary::O200k, 1.12 * 1.3, 3, 4);
    /// A vocabulary of 256,000; the provider's rule of four characters to a token is OpenAI's rule too.
    const GEMINI: Self = Self::like(Vocabulary::O200k, 1.0, 0, 1);
    const STRANGER: Self = Self::like(Vocabulary::O200k, 1.1, 3, 4);

    /// The family of a model id, of any spelling: with a vendor in front, a size or a date behind.
    #[must_use]
    pub fn of(model: &str) -> Self {
        let id = model.to_ascii_lowercase();
        let name = id.rsplit('/').next().unwrap_or_default();
        let begins = |stems: &[&str]| stems.iter().any(|stem| name.starts_with(stem));
        let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
        if begins(&["gpt-4o", "gpt-4.1", "gpt-4.5", "gpt-5", "chatgpt-4o", "o1", "o3", "o4", "gpt-oss"]) {
            Self::OPENAI
        } else if begins(&["gpt-4", "gpt-3.5", "gpt-35"]) {
            Self::OPENAI_OLD
        } else if has(&["claude"]) {
            if is_new_claude(name) { Self::CLAUDE_NEW } else { Self::CLAUDE }
        } else if has(&["gemini", "gemma"]) {
            Self::GEMINI
        } else if has(&["nemo-", "mistral-nemo", "mistral-medium", "ministral", "pixtral", "magistral", "devstral"]) {
            Self::TEKKEN
        } else if has(&["mistral-small", "mistral-large", "codestral"]) {
            Self { exact: false, ..Self::TEKKEN }
        } else if has(&["qwen3", "qwen-3"]) {
            Self::QWEN
        } else if has(&["qwen", "qwq"]) {
            // Older ones are given a system prompt of their own where the request has none.
            Self { exact: false, ..Self::QWEN }
        } else if has(&["llama2", "llama-2", "mistral", "mixtral", "vicuna", "wizardlm", "yi-"]) {
            Self::SMALL
        } else if has(&["llama", "hermes"]) {
            Self::LLAMA
        } else {
            Self::STRANGER
        }
    }
}

/// Whether a Claude is of 4.7 or later: the first number of its name that is no date, and the one behind it.
fn is_new_claude(name: &str) -> bool {
    let mut numbers = name.split(['-', '.', '@', ':']).filter_map(|part| part.parse::<u32>().ok()).filter(|n| *n < 100);
    match (numbers.next(), numbers.next()) {
        (Some(major), minor) => (major, minor.unwrap_or(0)) >= (4, 7),
        (None, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn model_ids_find_their_family() {
        for (model, family) in [
            ("gpt-4o-mini-2024-07-18", Family::OPENAI),
            ("openrouter/openai/gpt-5.4-mini", Family::OPENAI),
            ("gpt-3.5-turbo-1106", Family::OPENAI_OLD),
            ("gpt-6.1-sol", Family::STRANGER),
            ("claude-3-haiku", Family::CLAUDE),
            ("anthropic/claude-3-5-sonnet-20241022", Family::CLAUDE),
            ("claude-opus-4-20250514", Family::CLAUDE),
            ("claude-haiku-4-5-20251001", Family::CLAUDE),
            ("claude-opus-4-7", Family::CLAUDE_NEW),
            ("claude-opus-5-5", Family::CLAUDE_NEW),
            ("models/gemini-3.6-flash", Family::GEMINI),
            ("mistral-medium-2508", Family::TEKKEN),
            ("mistral:7b", Family::SMALL),
            ("qwen3:8b", Family::QWEN),
            ("llama3.1:8b", Family::LLAMA),
            ("meta/llama-2-70b-chat", Family::SMALL),
        ] {
            assert_eq!(Family::of(model), family, "{model}");
        }
    }
}
