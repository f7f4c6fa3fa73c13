//! Looking at the bytes of a text many at a time: written so that the compiler makes a few wide instructions of each loop.

/// How many bytes are of a kind.
#[must_use]
pub fn count(text: &str, is: impl Fn(u8) -> bool) -> usize {
    // Sums of one byte over whole blocks let the compiler look at many at once; a sum holds that many blocks at least.
    let one = |byte: &u8| u8::from(is(*byte));
    let (blocks, rest) = text.as_bytes().as_chunks::<BLOCK>();
    let of_blocks = |blocks: &[[u8; BLOCK]]| usize::from(blocks.as_flattened().iter().map(one).sum::<u8>());
    blocks.chunks(usize::from(u8::MAX) / BLOCK).map(of_blocks).sum::<usize>()
        + rest.iter().filter(|byte| is(**byte)).count()
}

/// Bytes that are looked at together.
const BLOCK: usize = 16;

/// The first bytes of a text, with noughts behind where it has fewer.
#[must_use]
#[inline]
pub fn beginning<const N: usize>(text: &[u8]) -> [u8; N] {
    text.first_chunk::<N>().copied().unwrap_or_else(|| {
        let mut beginning = [0; N];
        beginning.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
        beginning
    })
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

    /// Which of the 64 bytes from `at` on are marked, a bit each; past the end there is none.
    pub fn from(&self, at: usize) -> u64 {
        let bits = |number: usize| self.0.get(number).copied().unwrap_or(0);
        let (number, ahead) = (at / WIDTH, at % WIDTH);
        bits(number) >> ahead | bits(number + 1) << (WIDTH - 1 - ahead) << 1
    }

    /// Where runs of marked places begin.
    pub fn beginnings(&self) -> Self {
        let mut before = 0;
        let begins = |marks: &u64| {
            let begins = marks & !(marks << 1 | before);
            before = marks >> (WIDTH - 1);
            begins
        };
        Self(self.0.iter().map(begins).collect())
    }

    /// How many places are marked.
    pub fn count(&self) -> u32 {
        self.0.iter().map(|marks| marks.count_ones()).sum()
    }

    /// The marked places, in order.
    pub fn places(&self) -> impl Iterator<Item = usize> {
        ones(&self.0)
    }
}

/// The places of the bits that are set, in order.
pub fn ones(numbers: &[u64]) -> Ones<'_> {
    Ones { numbers: numbers.iter(), left: 0, after: 0 }
}

/// See [`ones`].
pub struct Ones<'a> {
    numbers: std::slice::Iter<'a, u64>,
    /// What is left of the number before the next.
    left: u64,
    /// The place after that number's last bit.
    after: usize,
}

impl Iterator for Ones<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.left == 0 {
            self.left = *self.numbers.next()?;
            self.after += WIDTH;
        }
        let place = self.left.trailing_zeros() as usize;
        self.left &= self.left - 1;
        Some(self.after - WIDTH + place)
    }
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
            let begins: Vec<usize> = marks.beginnings().places().collect();
            let one_by_one = places.iter().filter(|at| **at == 0 || !places.contains(&(*at - 1)));
            prop_assert_eq!(begins, one_by_one.copied().collect::<Vec<_>>());
            prop_assert_eq!(marks.count() as usize, places.len());
            for at in [0, 1, 63, 64, 65, text.len()] {
                let bits = (0..64).filter(|ahead| text.as_bytes().get(at + ahead) == Some(&wanted));
                prop_assert_eq!(marks.from(at), bits.fold(0, |bits, ahead| bits | 1 << ahead));
            }
            let doubled = Marks::of_pairs(text.as_bytes(), |before, byte| before == byte).places().count();
            prop_assert_eq!(doubled, text.as_bytes().windows(2).filter(|two| two[0] == two[1]).count());
            let padded: Vec<u8> = text.bytes().chain([0; 8]).take(8).collect();
            prop_assert_eq!(&beginning::<8>(text.as_bytes())[..], &padded[..]);
            let at = text.len() / 2;
            let rare = format!("{}{}", "x".repeat(at), text);
            prop_assert_eq!(find(rare.as_bytes(), |byte| byte == wanted), rare.bytes().position(|byte| byte == wanted));
        }
    }
}
