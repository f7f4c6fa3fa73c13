//! The table in which each word of a text is looked up: what it says about its neighbours.

use std::sync::LazyLock;

use super::super::super::bytes::beginning;
use super::words::cue;

/// Words of one to sixteen letters, and their cues, in open addressing.
struct Table {
    /// A bit for each hash that a word has: few other words have one of them, so that nearly all of those end here.
    any: Vec<u64>,
    /// The words and their cues; a word of nought is none.
    slots: Vec<(u128, u64)>,
}

/// Bits that tell of hashes whether any word has them: some thirty for each word, and still at hand.
const ANY: usize = 1 << 17;

/// The letters of a word, small ones, in one number; 0 if there are none or too many. `text` begins with the word.
fn packed(text: &[u8], length: usize) -> u128 {
    if !(1..=16).contains(&length) {
        return 0;
    }
    let letters: [u8; 16] = beginning(text);
    u128::from_le_bytes(letters.map(|letter| letter.to_ascii_lowercase())) & (u128::MAX >> (128 - 8 * length))
}

/// Where to look first.
fn hashed(key: u128) -> usize {
    // The multiplier is 2^64 divided by the golden ratio, which spreads neighbouring keys.
    let folded = (key as u64) ^ ((key >> 64) as u64).rotate_left(23);
    (folded.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as usize
}

impl Table {
    fn of<'w>(words: impl Iterator<Item = (u64, &'w str)>) -> Self {
        let words: Vec<(u64, &str)> = words.collect();
        let size = (words.len() * 3).next_power_of_two();
        let mut table = Self { any: vec![0; ANY / 64], slots: vec![(0, 0); size] };
        for (cues, word) in words {
            table.add(packed(word.as_bytes(), word.len()), cues);
        }
        table
    }

    fn add(&mut self, key: u128, cues: u64) {
        if key == 0 {
            return;
        }
        let start = hashed(key);
        if let Some(bits) = self.any.get_mut(start % ANY / 64) {
            *bits |= 1 << (start % 64);
        }
        let size = self.slots.len();
        let mut slot = start % size;
        while let Some(entry) = self.slots.get_mut(slot) {
            if entry.0 == 0 || entry.0 == key {
                *entry = (key, entry.1 | cues);
                return;
            }
            slot = (slot + 1) % size;
        }
    }

    fn look_up(&self, text: &[u8], length: usize) -> u64 {
        let key = packed(text, length);
        let start = hashed(key);
        if self.any.get(start % ANY / 64).is_none_or(|bits| bits >> (start % 64) & 1 == 0) {
            return 0;
        }
        let mask = self.slots.len() - 1;
        let mut slot = start & mask;
        // At most a third of the slots is taken, so that this ends soon.
        while let Some((word, cues)) = self.slots.get(slot) {
            if *word == key || *word == 0 {
                return *cues;
            }
            slot = (slot + 1) & mask;
        }
        0
    }
}

static TABLE: LazyLock<Table> =
    LazyLock::new(|| Table::of(super::lexicon::all().flat_map(|(cues, words)| words.map(move |word| (cues, word)))));

/// The cues of the word of this length that a text begins with.
pub fn cues_at(text: &[u8], length: usize) -> u64 {
    TABLE.look_up(text, length)
}

/// The cues of a single word, for names that are put together from several.
#[must_use]
pub fn cues_of(word: &str) -> u64 {
    cues_at(word.as_bytes(), word.len())
}

/// The cues in a run of a script without spaces.
pub fn unspaced_cues(text: &str) -> u64 {
    let mut cues = 0;
    for (at, letter) in text.char_indices() {
        let rows: &[(&str, u64)] = match letter {
            '电' | '電' => &[("电话", cue::PHONE), ("電話", cue::PHONE)],
            '手' => &[("手机", cue::PHONE), ("手機", cue::PHONE)],
            '携' | '연' | '휴' | '전' => {
                &[("携帯", cue::PHONE), ("연락처", cue::PHONE), ("휴대폰", cue::PHONE), ("전화", cue::PHONE)]
            }
            '联' | '聯' => &[("联系", cue::CALL), ("聯絡", cue::CALL)],
            '卡' | '카' | 'カ' => {
                &[("卡号", cue::CARD), ("卡號", cue::CARD), ("카드", cue::CARD), ("カード", cue::CARD)]
            }
            '密' => &[("密码", cue::PASSWORD), ("密碼", cue::PASSWORD), ("密钥", cue::TOKEN), ("密鑰", cue::TOKEN)],
            '口' | '令' => &[("口令", cue::PASSWORD), ("令牌", cue::TOKEN)],
            'パ' | '비' => &[("パスワード", cue::PASSWORD), ("비밀번호", cue::PASSWORD)],
            '身' | '주' | 'マ' => &[
                ("身份证", cue::PAPERS),
                ("身分證", cue::PAPERS),
                ("주민", cue::PAPERS),
                ("マイナンバー", cue::PAPERS),
            ],
            '护' | '護' | '여' => &[("护照", cue::PASSPORT), ("護照", cue::PASSPORT), ("여권", cue::PASSPORT)],
            '出' | '生' => &[("出生", cue::BIRTH), ("生日", cue::BIRTH), ("生年月日", cue::BIRTH)],
            '银' | '銀' | '账' => &[("银行", cue::BANK), ("銀行", cue::BANK), ("账号", cue::BANK)],
            '订' | '注' => &[("订单", cue::ORDER), ("注文", cue::ORDER)],
            '是' | '为' | 'は' => &[("是", cue::IS), ("为", cue::IS), ("は", cue::IS)],
            _ => &[],
        };
        for (phrase, bits) in rows {
            if text.get(at..).is_some_and(|rest| rest.starts_with(phrase)) {
                cues |= bits;
            }
        }
    }
    cues
}
