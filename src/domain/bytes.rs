//! Looking at the bytes of a text many at a time: written so that the compiler makes a few wide instructions of each loop.

/// How many bytes are of a kind.
#[must_use]
pub fn count(text: &str, is: impl Fn(u8) -> bool) -> usize {
    // Sums of one byte over short chunks let the compiler look at many at once.
    let chunks = text.as_bytes().chunks(usize::from(u8::MAX));
    chunks.map(|chunk| usize::from(chunk.iter().map(|byte| u8::from(is(*byte))).sum::<u8>())).sum()
}

/// Where the first byte of a rare kind is.
#[must_use]
pub fn find(bytes: &[u8], is: impl Fn(u8) -> bool) -> Option<usize> {
    const CHUNK: usize = 64;
    // A chunk is looked at whole: most hold none.
    let has_none = |chunk: &&[u8]| !chunk.iter().fold(false, |any, byte| any | is(*byte));
    let from = (bytes.chunks(CHUNK).take_while(has_none).count() * CHUNK).min(bytes.len());
    bytes.get(from..)?.iter().position(|byte| is(*byte)).map(|ahead| from + ahead)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn as_many_are_counted_and_the_first_is_found_as_one_by_one(text in "[a-c]{0,600}", wanted in b'a'..b'e') {
            prop_assert_eq!(count(&text, |byte| byte == wanted), text.bytes().filter(|byte| *byte == wanted).count());
            let at = text.len() / 2;
            let rare = format!("{}{}", "x".repeat(at), text);
            prop_assert_eq!(find(rare.as_bytes(), |byte| byte == wanted), rare.bytes().position(|byte| byte == wanted));
        }
    }
}
