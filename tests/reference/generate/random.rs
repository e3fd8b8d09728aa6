//! Numbers that look random and are the same for the same seed: SplitMix64 (Steele, Lea and Flood 2014).

#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x9e37_79b9_7f4a_7c15);
        random.next();
        random
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// A number from `first` to `last`, both included.
    pub fn within(&mut self, first: i64, last: i64) -> i64 {
        first + (self.next() % (last - first + 1).unsigned_abs()).cast_signed()
    }

    pub fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    pub fn one_of<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }

    /// One of the items, if there are any.
    pub fn some_of<T: Clone>(&mut self, items: &[T]) -> Option<T> {
        (!items.is_empty()).then(|| self.one_of(items))
    }

    /// At least one of the items, in their order.
    pub fn subset<T: Clone>(&mut self, items: &[T]) -> Vec<T> {
        let chosen: Vec<T> = items.iter().filter(|_| self.percent(50)).cloned().collect();
        if chosen.is_empty() { vec![self.one_of(items)] } else { chosen }
    }

    /// At least one of the items and not all, if there are two.
    pub fn narrower<T: Clone>(&mut self, items: &[T]) -> Vec<T> {
        let mut chosen = self.subset(items);
        if chosen.len() == items.len() && chosen.len() > 1 {
            chosen.remove(self.below(items.len()));
        }
        chosen
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for place in (1..items.len()).rev() {
            items.swap(place, self.below(place + 1));
        }
    }
}
