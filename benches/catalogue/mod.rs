//! Rules and customers made from numbers, the same for every engine that is measured.

/// How many customers are asked about, in turn.
pub const CUSTOMERS: usize = 64;

const PLANS: [&str; 3] = ["none", "dsl", "fibre"];
const TOPICS: [&str; 5] = ["speed", "price", "contract", "outage", "moving"];
const REGIONS: usize = 10;

/// One rule: five demands on five facts, as a targeting rule usually has them.
#[derive(Debug, Clone)]
pub struct Rule {
    pub plan: &'static str,
    pub age: (i64, i64),
    pub topic: &'static str,
    pub regions: [String; 2],
    pub spend: i64,
}

/// The facts of one customer.
#[derive(Debug, Clone)]
pub struct Customer {
    pub plan: &'static str,
    pub age: i64,
    pub topic: &'static str,
    pub region: String,
    pub spend: i64,
}

/// Numbers that look random and are the same in every run (Knuth's MMIX generator).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn one_of(&mut self, texts: &[&'static str]) -> &'static str {
        texts[self.below(texts.len())]
    }

    fn number(&mut self, from: i64, to: i64) -> i64 {
        from + i64::try_from(self.below(usize::try_from(to - from).unwrap())).unwrap()
    }

    fn region(&mut self) -> String {
        format!("region-{}", self.below(REGIONS))
    }
}

/// `count` rules, of which about one in a thousand fits a customer.
pub fn rules(count: usize) -> Vec<Rule> {
    let mut numbers = Numbers(1);
    let mut rule = || {
        let from = numbers.number(18, 70);
        Rule {
            plan: numbers.one_of(&PLANS),
            age: (from, from + 10),
            topic: numbers.one_of(&TOPICS),
            regions: [numbers.region(), numbers.region()],
            spend: numbers.number(0, 100),
        }
    };
    (0..count).map(|_| rule()).collect()
}

/// The customers asked about.
pub fn customers() -> Vec<Customer> {
    let mut numbers = Numbers(2);
    let mut customer = || Customer {
        plan: numbers.one_of(&PLANS),
        age: numbers.number(18, 80),
        topic: numbers.one_of(&TOPICS),
        region: numbers.region(),
        spend: numbers.number(0, 100),
    };
    (0..CUSTOMERS).map(|_| customer()).collect()
}

/// Median time to find every rule that fits one customer, in nanoseconds, reading the clock included, and how many fit
/// all of them together.
pub fn measure(rounds: usize, mut fitting: impl FnMut(usize) -> usize) -> (f64, usize) {
    let mut times = Vec::with_capacity(rounds * CUSTOMERS);
    let mut found = 0;
    for round in 0..=rounds {
        found = 0;
        for customer in 0..CUSTOMERS {
            let before = std::time::Instant::now();
            found += std::hint::black_box(fitting(customer));
            if round > 0 || rounds == 0 {
                times.push(before.elapsed());
            }
        }
    }
    times.sort_unstable();
    (times[times.len() / 2].as_nanos() as f64, found)
}
