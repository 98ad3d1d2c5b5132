// SPDX-License-Identifier: GPL-2.0

//! Numbers that follow from a seed.

use rand_xoshiro::{
    rand_core::{Rng, SeedableRng},
    SplitMix64,
};
use std::{
    ops::Range,
    time::{SystemTime, UNIX_EPOCH},
};

/// A seed where none is asked for: another one each time.
pub fn any_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(1, |t| t.subsec_nanos().into())
}

/// Steele, Lea and Flood's SplitMix64: any seed will do, neighbours included.
#[derive(Clone)]
pub struct Random(SplitMix64);

impl Random {
    /// Those of this seed.
    pub fn new(seed: u64) -> Self {
        Self(SplitMix64::seed_from_u64(seed))
    }

    /// The next one, of 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// From 0 to `n` - 1.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next_u64() % n as u64) as usize
    }

    /// A number of that range.
    pub fn within(&mut self, range: Range<usize>) -> usize {
        range.start + self.below(range.len())
    }

    /// True in one of `n` cases.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    /// One of them.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// One of them, each as often as its weight says.
    pub fn weighted<'a, T>(&mut self, from: &'a [T], weight: impl Fn(&T) -> usize) -> &'a T {
        let mut at = self.below(from.iter().map(&weight).sum());
        for value in from {
            match at.checked_sub(weight(value)) {
                None => return value,
                Some(rest) => at = rest,
            }
        }
        unreachable!("the weights were summed up")
    }

    /// So many bytes, of a number each.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next_u64() as u8).collect()
    }

    /// So many bytes, eight of a number: for many of them.
    pub fn noise(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.0.fill_bytes(&mut bytes);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Or a seed that somebody wrote down is worth nothing any more.
    #[test]
    fn a_seed_gives_what_it_always_gave() {
        let mut random = Random::new(1_234_567);
        assert_eq!(random.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(random.next_u64(), 3_203_168_211_198_807_973);
    }
}
