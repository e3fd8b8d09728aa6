//! One row of the experiment: the facts of a customer, the random choice, and whether the customer visited.

use serde::{Deserialize, Serialize};

/// A row. What came after the visit (`conversion`, `spend`) is not read.
#[derive(Debug, Clone, Deserialize)]
pub struct Customer {
    recency: u32,
    history: f64,
    mens: u8,
    womens: u8,
    zip_code: Area,
    newbie: u8,
    channel: Shop,
    /// The random choice.
    pub segment: Arm,
    /// Whether the customer visited the web site in the two weeks after.
    pub visit: u8,
}

/// The random choice for a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Arm {
    /// An e-mail about men's clothes.
    #[serde(rename = "Mens E-Mail")]
    Mens,
    /// An e-mail about women's clothes.
    #[serde(rename = "Womens E-Mail")]
    Womens,
    /// Silence.
    #[serde(rename = "No E-Mail")]
    Silence,
}

impl Arm {
    /// The action's id in the rules; nothing for silence.
    pub fn action(self) -> Option<&'static str> {
        match self {
            Self::Mens => Some("mens-email"),
            Self::Womens => Some("womens-email"),
            Self::Silence => None,
        }
    }
}

/// Where a customer lives. The file misspells one of them.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all(serialize = "lowercase"))]
enum Area {
    Urban,
    #[serde(alias = "Surburban")]
    Suburban,
    Rural,
}

/// How a customer bought in the past year.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all(serialize = "lowercase"))]
enum Shop {
    Phone,
    Web,
    Multichannel,
}

/// The facts of a customer.
#[derive(Debug, Serialize)]
pub struct Attributes {
    #[serde(rename = "customer.bought_mens")]
    bought_mens: bool,
    #[serde(rename = "customer.bought_womens")]
    bought_womens: bool,
    #[serde(rename = "customer.months_since_purchase")]
    months_since_purchase: u32,
    #[serde(rename = "customer.spent_last_year")]
    spent_last_year: f64,
    #[serde(rename = "customer.is_new")]
    is_new: bool,
    #[serde(rename = "customer.area")]
    area: Area,
    #[serde(rename = "customer.shops_by")]
    shops_by: Shop,
}

impl Customer {
    /// The facts known before the e-mail.
    pub fn attributes(&self) -> Attributes {
        Attributes {
            bought_mens: self.mens == 1,
            bought_womens: self.womens == 1,
            months_since_purchase: self.recency,
            spent_last_year: self.history,
            is_new: self.newbie == 1,
            area: self.zip_code,
            shops_by: self.channel,
        }
    }
}
