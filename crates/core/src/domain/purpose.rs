//! What a purpose is: why personal data may be used, on which lawful basis, and for how long.

use crate::domain::id::PurposeSet;
use crate::domain::time::Period;

crate::words! {
    /// The lawful bases of Article 6 GDPR, and explicit consent (Article 9).
    pub enum Basis {
        /// The customer said yes.
        Consent = "consent",
        /// Explicit consent, which special categories of data need.
        ExplicitConsent = "explicit_consent",
        /// Needed for a contract with the customer.
        Contract = "contract",
        /// Required by law.
        LegalObligation = "legal_obligation",
        /// Needed to protect a person's life.
        VitalInterest = "vital_interest",
        /// A task in the public interest.
        PublicTask = "public_task",
        /// A balanced interest of the controller; the customer may object.
        LegitimateInterest = "legitimate_interest",
    }
}

impl Basis {
    /// Whether it requires the customer's consent.
    #[must_use]
    pub fn needs_consent(self) -> bool {
        matches!(self, Self::Consent | Self::ExplicitConsent)
    }

    /// Whether the customer may object to it (Article 21(1)).
    #[must_use]
    pub fn can_be_objected_to(self) -> bool {
        matches!(self, Self::PublicTask | Self::LegitimateInterest)
    }
}

/// A declared purpose.
#[derive(Debug, Clone, PartialEq)]
pub struct Purpose {
    /// The lawful basis of the processing.
    pub basis: Basis,
    /// The version; a grant of an older one does not cover it.
    pub version: u32,
    /// Whether it is direct marketing, where an objection is absolute (Article 21(2)).
    pub direct_marketing: bool,
    /// Whether it sells or shares data, so that a Global Privacy Control signal is an objection.
    pub gpc_objects: bool,
    /// Whether it is retired: no data is stored for it, and its name is never used again.
    pub retired: bool,
    /// How long a grant lasts at most.
    pub expires_after: Option<Period>,
    /// How long after a "no" the customer is not asked again.
    pub cooling_off: Option<Period>,
    /// The notice that the customer is shown.
    pub notice: Option<String>,
    /// Wider purposes whose denial covers this one, such as `marketing` for `marketing.email`, whether declared or not.
    pub ancestors: PurposeSet,
}

impl Purpose {
    /// Whether an objection stops it.
    #[must_use]
    pub fn stops_on_objection(&self) -> bool {
        self.direct_marketing || self.gpc_objects || self.basis.can_be_objected_to()
    }
}
