//! Made-up whole numbers, the same each time.

/// A linear congruential generator (Knuth's MMIX), seeded by its number.
pub struct Numbers(pub u64);

impl Numbers {
    /// One below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    /// `n` of them, each below `most`.
    pub fn many(&mut self, n: usize, most: u64) -> Vec<u32> {
        (0..n).map(|_| self.below(most) as u32).collect()
    }
}
