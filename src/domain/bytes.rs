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

/// Which bytes of a text are of a kind: a bit for each, so that the end of a run is found without looking at each byte.
pub struct Marks(Vec<u64>);

/// Bytes that one number has the bits of.
const WIDTH: usize = u64::BITS as usize;

impl Marks {
    /// Marks the bytes that are of a kind.
    pub fn of(bytes: &[u8], is: impl Fn(u8) -> bool) -> Self {
        Self::of_pairs(bytes, |_, byte| is(byte))
    }

    /// Marks the bytes that are of a kind, which the byte before may say; before the first there is nought.
    pub fn of_pairs(bytes: &[u8], is: impl Fn(u8, u8) -> bool) -> Self {
        let firsts = (0..bytes.len()).step_by(WIDTH);
        let befores = firsts.map(|first| first.checked_sub(1).and_then(|at| bytes.get(at)).copied().unwrap_or(0));
        let of_chunk = |(chunk, mut before): (&[u8], u8)| {
            let mut marks = [0; WIDTH];
            for (mark, byte) in marks.iter_mut().zip(chunk) {
                *mark = u8::from(is(before, *byte));
                before = *byte;
            }
            packed(&marks)
        };
        Self(bytes.chunks(WIDTH).zip(befores).map(of_chunk).collect())
    }

    /// The first place from `at` on that is not marked.
    pub fn run_end(&self, at: usize) -> usize {
        let mut number = at / WIDTH;
        let mut left = self.0.get(number).map_or(u64::MAX, |marks| !marks) >> (at % WIDTH);
        if left != 0 {
            return at + left.trailing_zeros() as usize;
        }
        loop {
            number += 1;
            left = self.0.get(number).map_or(u64::MAX, |marks| !marks);
            if left != 0 {
                return number * WIDTH + left.trailing_zeros() as usize;
            }
        }
    }

    /// The marked places, in order.
    pub fn places(&self) -> impl Iterator<Item = usize> {
        ones(&self.0)
    }
}

/// The places of the bits that are set, in order.
pub fn ones(numbers: &[u64]) -> impl Iterator<Item = usize> {
    numbers.iter().enumerate().flat_map(|(number, bits)| {
        let mut left = *bits;
        std::iter::from_fn(move || {
            let place = left.trailing_zeros() as usize;
            left &= left.wrapping_sub(1);
            (place < WIDTH).then_some(number * WIDTH + place)
        })
    })
}

/// The lowest bits of bytes as the bits of a number. A product moves the eight bits of eight bytes beside each other.
fn packed(marks: &[u8; WIDTH]) -> u64 {
    let eights = marks.as_chunks::<8>().0.iter().map(|eight| u64::from_le_bytes(*eight));
    eights.rev().fold(0, |bits, eight| bits << 8 | eight.wrapping_mul(0x0102_0408_1020_4080) >> 56)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn as_many_are_counted_and_the_first_is_found_as_one_by_one(text in "[a-c]{0,600}", wanted in b'a'..b'e') {
            prop_assert_eq!(count(&text, |byte| byte == wanted), text.bytes().filter(|byte| *byte == wanted).count());
            let marks = Marks::of(text.as_bytes(), |byte| byte == wanted);
            let places: Vec<usize> = marks.places().collect();
            let one_by_one: Vec<usize> = (0..text.len()).filter(|at| text.as_bytes()[*at] == wanted).collect();
            prop_assert_eq!(&places, &one_by_one);
            for from in 0..text.len() + 2 {
                let end = (from..).find(|at| text.as_bytes().get(*at) != Some(&wanted));
                prop_assert_eq!(Some(marks.run_end(from)), end);
            }
            let doubled = Marks::of_pairs(text.as_bytes(), |before, byte| before == byte).places().count();
            prop_assert_eq!(doubled, text.as_bytes().windows(2).filter(|two| two[0] == two[1]).count());
            let at = text.len() / 2;
            let rare = format!("{}{}", "x".repeat(at), text);
            prop_assert_eq!(find(rare.as_bytes(), |byte| byte == wanted), rare.bytes().position(|byte| byte == wanted));
        }
    }
}
