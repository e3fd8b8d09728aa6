//! One rule set in which every basis meets every kind of marketing: a purpose for each, all narrower than one that carries
//! the wider "no", with a fact, an action and an ask of its own.

use std::fmt::Write as _;

/// The bases, as rule files name them.
pub const BASES: [&str; 7] = [
    "consent",
    "explicit_consent",
    "contract",
    "legal_obligation",
    "vital_interest",
    "public_task",
    "legitimate_interest",
];

/// The kind of marketing of a purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Plain,
    Marketing,
    Gpc,
}

/// What the rules say of a purpose now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    pub name: String,
    pub basis: &'static str,
    pub kind: Kind,
    pub version: u32,
    pub retired: bool,
}

impl Terms {
    /// Whether it rests on the customer's yes.
    pub fn asks(&self) -> bool {
        self.basis.ends_with("consent")
    }

    /// Whether the purpose takes neither a yes nor an objection.
    pub fn is_like_contract(&self) -> bool {
        self.kind == Kind::Plain && ["contract", "legal_obligation", "vital_interest"].contains(&self.basis)
    }
}

/// The wider purpose; it rests on consent, so that every "no" to it is taken, and stays as it is.
pub const WIDER: &str = "w";

/// The purposes under test at first, the wider one last.
pub fn purposes() -> Vec<Terms> {
    let mut all = Vec::new();
    for (kind, word) in [(Kind::Plain, "plain"), (Kind::Marketing, "marketing"), (Kind::Gpc, "gpc")] {
        for basis in BASES {
            let terms = Terms { name: format!("{WIDER}.{basis}_{word}"), basis, kind, version: 1, retired: false };
            // Nothing that rests on these sells or shares data: the rules refuse it.
            let senseless = kind == Kind::Gpc && Terms { kind: Kind::Plain, ..terms.clone() }.is_like_contract();
            if !senseless {
                all.push(terms);
            }
        }
    }
    all.push(Terms { name: WIDER.into(), basis: "consent", kind: Kind::Plain, version: 1, retired: false });
    all
}

/// The basis that a new version of a purpose rests on, where it changes.
pub fn rebased(basis: &str) -> &'static str {
    match basis {
        "consent" => "legitimate_interest",
        "legitimate_interest" => "consent",
        "explicit_consent" => "public_task",
        "public_task" => "explicit_consent",
        "contract" => "legal_obligation",
        "legal_obligation" => "vital_interest",
        _ => "contract",
    }
}

/// The rule file.
pub fn text(purposes: &[Terms]) -> String {
    let (mut declared, mut facts, mut actions) = (String::new(), String::new(), String::new());
    for (index, terms) in purposes.iter().enumerate() {
        let Terms { name, basis, kind, version, retired } = terms;
        write!(declared, "  {name}: {{basis: {basis}, version: {version}").unwrap();
        declared += match kind {
            Kind::Plain => "",
            Kind::Marketing => ", direct_marketing: true",
            Kind::Gpc => ", gpc: objects",
        };
        if terms.asks() {
            declared += ", cooling_off: 60 days";
            // A yes to a plain purpose ends by the rules, to another by what the customer said.
            declared += if *kind == Kind::Plain { ", expires_after: 30 days" } else { "" };
        }
        if *retired {
            declared += ", retired: true}\n";
            continue;
        }
        declared += "}\n";
        writeln!(facts, "  customer.f{index}: {{type: text, purposes: [{name}]}}").unwrap();
        writeln!(
            actions,
            "  - {{id: say-{index}, title: T, kind: service, group: says, purpose: {name}, relevance: {{base: 50}}, \
             intrusiveness: 0, treatments: {{web: {{text: \"{{customer.f{index}|nothing}}\"}}}}}}"
        )
        .unwrap();
        if terms.asks() {
            writeln!(
                actions,
                "  - {{id: ask-{index}, title: T, kind: consent_ask, group: asks, purpose: service, asks: {name}, \
                 relevance: {{add: [{{points: 5, when: 'channel == \"web\"'}}]}}, intrusiveness: 0, \
                 treatments: {{web: {{text: T}}}}}}"
            )
            .unwrap();
        }
    }
    format!(
        "purposes:\n  service: {{basis: contract}}\n{declared}attributes:\n{facts}\
         channels:\n  web: {{direction: inbound, interruption: 0}}\nactions:\n{actions}\
         policy:\n  pressure: {{half_life: 7 days, per_contact: {{web: 0}}}}\n  hurt: {{half_life: 30 days}}\n  time_zone: UTC\n"
    )
}
