//! Which language a text is in, from its script and its commonest words.

use std::fmt;
use std::sync::LazyLock;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::hash::hash;
use super::reading::{Reading, Token};

/// The language of a prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Language {
    /// Arabic.
    Arabic,
    /// Chinese, of whatever script.
    Chinese,
    /// Czech.
    Czech,
    /// Dutch.
    Dutch,
    /// English.
    English,
    /// French.
    French,
    /// German.
    German,
    /// Greek.
    Greek,
    /// Hebrew.
    Hebrew,
    /// Hindi.
    Hindi,
    /// Indonesian.
    Indonesian,
    /// Italian.
    Italian,
    /// Japanese.
    Japanese,
    /// Korean.
    Korean,
    /// Persian.
    Persian,
    /// Polish.
    Polish,
    /// Portuguese.
    Portuguese,
    /// Russian.
    Russian,
    /// Spanish.
    Spanish,
    /// Swedish.
    Swedish,
    /// Thai.
    Thai,
    /// Turkish.
    Turkish,
    /// Ukrainian.
    Ukrainian,
    /// Vietnamese.
    Vietnamese,
    /// None that is known, or too little text to tell.
    #[default]
    Unknown,
}

impl Language {
    /// Every language that is told apart, and the unknown one.
    pub const ALL: [Self; 25] = [
        Self::Arabic,
        Self::Chinese,
        Self::Czech,
        Self::Dutch,
        Self::English,
        Self::French,
        Self::German,
        Self::Greek,
        Self::Hebrew,
        Self::Hindi,
        Self::Indonesian,
        Self::Italian,
        Self::Japanese,
        Self::Korean,
        Self::Persian,
        Self::Polish,
        Self::Portuguese,
        Self::Russian,
        Self::Spanish,
        Self::Swedish,
        Self::Thai,
        Self::Turkish,
        Self::Ukrainian,
        Self::Vietnamese,
        Self::Unknown,
    ];

    /// Its ISO 639-1 code; `und` where it is unknown.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Arabic => "ar",
            Self::Chinese => "zh",
            Self::Czech => "cs",
            Self::Dutch => "nl",
            Self::English => "en",
            Self::French => "fr",
            Self::German => "de",
            Self::Greek => "el",
            Self::Hebrew => "he",
            Self::Hindi => "hi",
            Self::Indonesian => "id",
            Self::Italian => "it",
            Self::Japanese => "ja",
            Self::Korean => "ko",
            Self::Persian => "fa",
            Self::Polish => "pl",
            Self::Portuguese => "pt",
            Self::Russian => "ru",
            Self::Spanish => "es",
            Self::Swedish => "sv",
            Self::Thai => "th",
            Self::Turkish => "tr",
            Self::Ukrainian => "uk",
            Self::Vietnamese => "vi",
            Self::Unknown => "und",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

impl Serialize for Language {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Language {
    /// A code that is not known is no error: the language is then unknown.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Ok(Self::ALL.into_iter().find(|language| language.code() == code).unwrap_or_default())
    }
}

/// The commonest words of languages that share a script, and words that prompts in them begin with. A word may stand in
/// several lines: it then speaks for each.
const WORDS: &[(Language, &str)] = &[
    (
        Language::English,
        "a i the of and to in is that for it with as was on are this be by not or from at have what how which you an can \
         will write explain when who where why does do your my they their has give list please there if but i we he she his her would",
    ),
    (
        Language::Spanish,
        "el los las y en un una que es por con para del se su como más pero lo este esta cuál qué cómo cuándo dónde quién \
         escribe dame haz explica puedes sobre entre muy está son fue hay me mi al la de",
    ),
    (
        Language::Portuguese,
        "o os as e em um uma que é por com para do da dos das se seu como mais mas não na no ao qual quais quando onde quem \
         escreva faça explique pode sobre entre muito está são foi meu você à de",
    ),
    (
        Language::French,
        "le les et en un une que est pour avec dans du des ce cette qui pas sur au aux plus mais ou où comment pourquoi quel \
         quelle écris explique donne moi je tu il nous vous sont être la de l'histoire d'un d'une c'est qu'est",
    ),
    (
        Language::German,
        "der die das und in ein eine ist nicht mit für von zu den dem des auf im sich wie was warum wer wo wann bitte schreibe \
         schreib erkläre mir ich du er sie wir sind war wird auch als an aus bei nach oder aber einen einem einer über",
    ),
    (
        Language::Italian,
        "il lo gli e in un una che è per con del della dei delle di non si come più ma sono quando dove chi perché cosa quale \
         scrivi spiega dammi mi nel nella alla al questo questa tra fra la",
    ),
    (
        Language::Dutch,
        "de het een en van in is dat op te voor met niet aan er zijn die hoe wat waarom wie waar wanneer schrijf leg uit mij ik \
         je jij hij we ook als bij naar maar geef over kun",
    ),
    (
        Language::Polish,
        "w z o na się nie do jest że jak po co tak za od przez dla czy który która które jaki jaka kto kiedy gdzie dlaczego \
         napisz wyjaśnij opisz mi ja są był była oraz",
    ),
    (
        Language::Czech,
        "v o s na se je že jak po co za od pro který která které jaký kdo kdy kde proč napiš vysvětli mi jsem jsou byl byla \
         nebo ale ve z do už když má",
    ),
    (
        Language::Turkish,
        "ve bir bu için ile de da ne nasıl neden kim nerede zaman yaz açıkla mi mı olan olarak daha çok gibi var en ben sen bana \
         hakkında nedir kaç",
    ),
    (
        Language::Swedish,
        "och att det i en ett är som på för med av den till inte hur vad varför vem var när skriv förklara mig jag du han vi \
         också om från eller men kan",
    ),
    (
        Language::Indonesian,
        "yang dan di ke dari untuk dengan ini itu adalah apa bagaimana mengapa siapa kapan mana tulis tuliskan buat buatkan \
         jelaskan saya kamu dalam pada tidak akan tentang sebuah seorang oleh",
    ),
    (
        Language::Vietnamese,
        "và của là có cho không một những được trong với các này đó như thế nào tại sao ai khi ở đâu viết hãy giải thích tôi \
         bạn về cái bài gì",
    ),
    (
        Language::Russian,
        "и в не на что с как по это из у за от для о к напиши объясни какой почему кто где когда мне ты я он мы вы они или но есть был при текст про",
    ),
    (
        Language::Ukrainian,
        "і в не на що з як по це із у за від для про до напиши поясни який чому хто де коли мені ти я він ми ви вони або але є був при та й",
    ),
];

/// Several times the number of words.
const SLOTS: usize = 1 << 12;

/// Words by their hash.
struct Words {
    /// For each slot the hash of a word, and which row; 0 and 0 where there is none.
    slots: Vec<(u32, u32)>,
    /// What a word adds to the vote for each language. A word that several languages share says little for each.
    rows: Vec<[f32; WORDS.len()]>,
}

static TABLE: LazyLock<Words> = LazyLock::new(|| {
    let mut slots = vec![(0, 0); SLOTS];
    for (place, (_, words)) in WORDS.iter().enumerate() {
        for word in words.split_whitespace() {
            let key = hash(word);
            let mut at = slot(key);
            while let Some(entry) = slots.get_mut(at) {
                if *entry == (0, 0) || entry.0 == key {
                    *entry = (key, entry.1 | 1 << place);
                    break;
                }
                at = (at + 1) % SLOTS;
            }
        }
    }
    // Of the sets of languages that share a word there are few.
    let mut sets: Vec<u32> = slots.iter().map(|(_, set)| *set).collect();
    sets.sort_unstable();
    sets.dedup();
    for (_, set) in &mut slots {
        *set = sets.binary_search(set).map_or(0, |row| row as u32);
    }
    let row = |set: &u32| {
        let worth = 1.0 / set.count_ones().max(1) as f32;
        std::array::from_fn(|place| if set >> place & 1 == 1 { worth } else { 0.0 })
    };
    Words { slots, rows: sets.iter().map(row).collect() }
});

const fn slot(key: u32) -> usize {
    (key.wrapping_mul(0x9e37_79b1) >> 20) as usize % SLOTS
}

/// Words looked at, at the beginning and again at the end: enough to tell, also where a quotation in another language
/// stands on the one side or the other of what is asked about it.
const WORDS_READ: usize = 40;

/// The words at the beginning and at the end.
fn edges(reading: &Reading) -> impl Iterator<Item = &Token> {
    let tokens = &reading.tokens;
    let end = tokens.len().saturating_sub(WORDS_READ).max(WORDS_READ);
    tokens.iter().take(WORDS_READ).chain(tokens.iter().skip(end))
}

/// The language of what was read.
pub fn language(reading: &Reading) -> Language {
    let scripts = &reading.scripts;
    let all = [
        (scripts.latin, Language::English),
        // One ideograph says about as much as two letters, a kana as one and a half.
        (
            (scripts.han + scripts.kana) * 2,
            if scripts.kana * 8 > scripts.han { Language::Japanese } else { Language::Chinese },
        ),
        (scripts.hangul * 2, Language::Korean),
        (scripts.cyrillic, Language::Russian),
        (scripts.greek, Language::Greek),
        (scripts.arabic, Language::Arabic),
        (scripts.hebrew, Language::Hebrew),
        (scripts.devanagari, Language::Hindi),
        (scripts.thai, Language::Thai),
    ];
    // Code and names in Latin letters stand in texts of every language, so the other scripts weigh double.
    let weigh = |(count, language): (u32, Language)| if language == Language::English { count } else { count * 2 };
    let Some((_, by_script)) = all.into_iter().max_by_key(|entry| weigh(*entry)).filter(|entry| entry.0 > 1) else {
        return Language::Unknown;
    };
    match by_script {
        Language::English => by_words(reading, false),
        Language::Russian => by_words(reading, true),
        Language::Arabic if persian(reading) => Language::Persian,
        other => other,
    }
}

fn persian(reading: &Reading) -> bool {
    let words = ["است", "که", "یک", "برای", "این", "چگونه", "چیست", "را", "در", "از"].map(hash);
    edges(reading).filter(|token| words.contains(&token.hash)).count() > 0
}

fn by_words(reading: &Reading, cyrillic: bool) -> Language {
    let mut votes = [0.0f32; WORDS.len()];
    let table = &*TABLE;
    for token in edges(reading) {
        let mut at = slot(token.hash);
        while let Some((key, row)) = table.slots.get(at).copied().filter(|entry| *entry != (0, 0)) {
            if key == token.hash {
                let row = table.rows.get(row as usize).unwrap_or(&[0.0; WORDS.len()]);
                votes.iter_mut().zip(row).for_each(|(vote, worth)| *vote += worth);
                break;
            }
            at = (at + 1) % SLOTS;
        }
    }
    let is_cyrillic = |language: Language| matches!(language, Language::Russian | Language::Ukrainian);
    let best = WORDS
        .iter()
        .zip(votes)
        .filter(|((language, _), vote)| is_cyrillic(*language) == cyrillic && *vote > 0.0)
        // Of equals the last is taken, so the order is turned: the languages stand by how many write them.
        .rev()
        .max_by(|left, right| left.1.total_cmp(&right.1));
    match best {
        Some(((language, _), _)) => *language,
        None if cyrillic => Language::Russian,
        // A few Latin letters without a common word, such as code, are nobody's language.
        None => Language::Unknown,
    }
}
