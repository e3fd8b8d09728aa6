//! Who calls, what the caller may do, and to which customer and channels the caller is bound.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use tonic::{Code, Request, Status};

use super::proto::Scope;
use super::status::refusal;

/// A caller whose token or certificate is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The caller's name, for records and the audit log.
    pub name: String,
    /// What the caller may do.
    pub scopes: Scopes,
    /// The only channels that the caller may name; any if empty.
    pub channels: Vec<String>,
    /// The only customer that the caller may name; any if `None`.
    pub customer: Option<String>,
}

impl Caller {
    /// Whether the caller may name only some customers or channels.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        self.customer.is_some() || !self.channels.is_empty()
    }
}

/// A set of scopes.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Scopes(u32);

impl Scopes {
    /// Whether a scope is in the set.
    #[must_use]
    pub fn contain(self, scope: Scope) -> bool {
        self.0 & Self::from(scope).0 != 0
    }

    /// Every scope that exists, in the order of their numbers.
    pub fn all() -> impl Iterator<Item = Scope> {
        (1..u32::BITS.cast_signed()).map_while(|number| Scope::try_from(number).ok())
    }

    /// The scopes of the set.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Self::all().filter(move |scope| self.contain(*scope))
    }
}

impl From<Scope> for Scopes {
    /// SCOPE_UNSPECIFIED is the empty set.
    fn from(scope: Scope) -> Self {
        Self(1_u32.wrapping_shl(scope as u32) & !1)
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<T: IntoIterator<Item = Scope>>(scopes: T) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | Self::from(scope).0))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.iter().map(word).collect();
        f.write_str(&words.join(" "))
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scopes({self})")
    }
}

/// A scope's name in token files and JWTs, such as `decide`.
#[must_use]
pub fn word(scope: Scope) -> String {
    scope.as_str_name().trim_start_matches("SCOPE_").to_lowercase()
}

/// The text is not the name of a scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a scope; the scopes are {names}", names = Scopes::all().map(word).collect::<Vec<_>>().join(", "))]
pub struct UnknownScope(String);

impl FromStr for Scopes {
    type Err = UnknownScope;

    /// One scope by its name.
    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::all().find(|scope| word(*scope) == text).map(Self::from).ok_or_else(|| UnknownScope(text.to_owned()))
    }
}

/// The caller of a request, and what the caller is bound to; nothing where the server asks for no tokens.
#[derive(Debug, Clone)]
pub struct Binding(Option<Arc<Caller>>);

impl Binding {
    /// The binding of a request's caller.
    pub fn of<T>(request: &Request<T>) -> Self {
        Self(request.extensions().get::<Arc<Caller>>().cloned())
    }

    /// The caller's name; empty where the server asks for no tokens.
    pub fn name(&self) -> &str {
        self.0.as_ref().map_or("", |caller| &caller.name)
    }

    /// Whether the caller may name this customer.
    pub fn allows_customer(&self, id: &str) -> bool {
        let bound = self.0.as_ref().and_then(|caller| caller.customer.as_deref());
        bound.is_none_or(|own| own == id)
    }

    /// Whether the caller may name this channel. A caller who is bound to channels must name one of them.
    pub fn allows_channel(&self, id: &str) -> bool {
        let bound = self.0.as_ref().map(|caller| &caller.channels).filter(|channels| !channels.is_empty());
        bound.is_none_or(|channels| channels.iter().any(|own| own == id))
    }

    /// Refuses a customer that the caller may not name.
    ///
    /// # Errors
    /// PERMISSION_DENIED.
    pub fn customer(&self, id: &str) -> Result<(), Status> {
        if self.allows_customer(id) {
            return Ok(());
        }
        Err(refusal(Code::PermissionDenied, "OTHER_CUSTOMER", "the token is bound to another customer"))
    }

    /// Refuses a channel that the caller may not name.
    ///
    /// # Errors
    /// PERMISSION_DENIED.
    pub fn channel(&self, id: &str) -> Result<(), Status> {
        if self.allows_channel(id) {
            return Ok(());
        }
        Err(refusal(Code::PermissionDenied, "OTHER_CHANNEL", "the token is bound to other channels"))
    }

    /// Refuses a customer and a channel.
    ///
    /// # Errors
    /// PERMISSION_DENIED.
    pub fn both(&self, customer: &str, channel: &str) -> Result<(), Status> {
        self.customer(customer)?;
        self.channel(channel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_have_names() {
        let some: Scopes = [Scope::Decide, Scope::Metrics].into_iter().collect();
        assert_eq!(some.to_string(), "decide metrics");
        assert!(some.contain(Scope::Decide) && !some.contain(Scope::Privacy) && !some.contain(Scope::Unspecified));
        assert_eq!("withdraw".parse(), Ok(Scopes::from(Scope::Withdraw)));
        for wrong in ["", "Decide", "SCOPE_DECIDE", "unspecified", "decide outcomes"] {
            assert!(wrong.parse::<Scopes>().is_err(), "{wrong}");
        }
        assert_eq!(Scopes::from(Scope::Unspecified), Scopes::default());
        assert_eq!(Scopes::all().count(), 12);
    }

    #[test]
    fn a_bound_caller_names_no_other() {
        let caller = Caller {
            name: "page".into(),
            scopes: Scopes::default(),
            channels: vec!["web".into()],
            customer: Some("anna".into()),
        };
        let mut request = Request::new(());
        assert!(Binding::of(&request).both("bert", "phone").is_ok());
        request.extensions_mut().insert(Arc::new(caller));
        let binding = Binding::of(&request);
        assert!(binding.both("anna", "web").is_ok());
        assert!(binding.customer("bert").is_err() && binding.customer("").is_err());
        assert!(binding.channel("phone").is_err() && binding.channel("").is_err());
    }
}
