//! Hashes of words: what a word is known by once the text was read.

use super::super::bytes;

/// The hash of nothing.
pub const BASIS: u32 = 0x811c_9dc5;

/// One step of the hash: FNV-1a over characters instead of bytes.
pub const fn step(hash: u32, unit: u32) -> u32 {
    (hash ^ unit).wrapping_mul(0x0100_0193)
}

/// The hash of a word that is in lower case already. The same as a token's.
pub const fn hash(word: &str) -> u32 {
    let bytes = word.as_bytes();
    let mut hash = BASIS;
    let mut at = 0;
    while at < bytes.len() {
        // Characters beyond ASCII are decoded as the pass does it, so that a table may hold any script.
        let lead = bytes[at];
        let (mut unit, more) = match lead {
            0..0x80 => (lead as u32, 0),
            0x80..0xE0 => ((lead & 0x1F) as u32, 1),
            0xE0..0xF0 => ((lead & 0x0F) as u32, 2),
            _ => ((lead & 0x07) as u32, 3),
        };
        let mut follow = 0;
        while follow < more && at + 1 < bytes.len() {
            at += 1;
            unit = unit << 6 | (bytes[at] & 0x3F) as u32;
            follow += 1;
        }
        hash = step(hash, unit);
        at += 1;
    }
    hash
}

/// The two hashes of neighbours as one.
pub const fn pair(left: u32, right: u32) -> u32 {
    step(left.rotate_left(7), right)
}

/// Characters of a word whose hash is its stem.
pub const STEM: usize = 5;

/// The hash and the stem of the word of small ASCII letters of this length that a text begins with. Of most words all eight
/// steps are taken and one of them is chosen: that takes less than to find out by a loop where each ends.
pub fn hash_and_stem(text: &[u8], length: usize) -> [u32; 2] {
    const STEPS: usize = 8;
    let mut hashes = [BASIS; STEPS + 1];
    for (at, byte) in bytes::beginning::<STEPS>(text).into_iter().enumerate() {
        hashes[at + 1] = step(hashes[at], u32::from(byte));
    }
    let rest = text.get(STEPS..length).unwrap_or_default().iter();
    let hash = rest.fold(hashes[length.min(STEPS)], |hash, byte| step(hash, u32::from(*byte)));
    [hash, hashes[length.min(STEM)]]
}
