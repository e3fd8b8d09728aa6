//! Histories: what may happen to one customer, in which order, and how each record comes.

use std::fmt;

use tactful::domain::consent::ConsentStatus;

use super::table::Row;

/// What a step of a history is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    Given,
    Refused,
    Withdrawn,
    Revoked,
    Objected,
    Restricted,
    Lifted,
    Returned,
    Erased,
    /// Time passes until every yes so far has run out.
    Expired,
    /// The purposes are retired.
    Retired,
    /// The purposes get a new version.
    Superseded,
    /// The purposes get a new version that rests on another basis.
    Rebased,
}

impl Said {
    pub fn row(self) -> Row {
        match self {
            Self::Given => Row::Given,
            Self::Refused => Row::Refused,
            Self::Withdrawn => Row::Withdrawn,
            Self::Revoked => Row::Revoked,
            Self::Objected => Row::Objected,
            other => panic!("{other:?} is not about one purpose"),
        }
    }

    pub fn status(self) -> ConsentStatus {
        match self {
            Self::Given => ConsentStatus::Given,
            Self::Refused => ConsentStatus::Refused,
            Self::Withdrawn => ConsentStatus::Withdrawn,
            Self::Revoked => ConsentStatus::Revoked,
            Self::Objected => ConsentStatus::Objected,
            Self::Restricted => ConsentStatus::Restricted,
            Self::Lifted => ConsentStatus::RestrictionLifted,
            Self::Returned => ConsentStatus::Returned,
            other => panic!("{other:?} is not recorded"),
        }
    }
}

/// How a record comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    Live,
    /// Late, and claimed after everything else.
    Recent,
    /// Late, and claimed before what came last.
    Late,
    /// Late, and claimed for the very moment of what came last, once five minutes are taken off.
    Tie,
    /// Late, and claimed before everything else.
    Imported,
    /// Without evidence; a yes then comes from an import.
    Bare,
}

/// One step of a history.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Token {
    pub said: Said,
    pub how: How,
    /// About the wider purpose.
    pub wider: bool,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { said, how, wider } = self;
        write!(f, "{said:?}")?;
        if *wider {
            write!(f, " wider")?;
        }
        if *how == How::Live { Ok(()) } else { write!(f, " {how:?}") }
    }
}

impl Token {
    pub fn is_deferred(self) -> bool {
        match self.how {
            How::Live => false,
            How::Bare => self.said == Said::Given,
            _ => true,
        }
    }

    pub fn concerns_everything(self) -> bool {
        matches!(self.said, Said::Restricted | Said::Lifted | Said::Returned)
    }
}

const fn token(said: Said, how: How, wider: bool) -> Token {
    Token { said, how, wider }
}

/// Everything that one customer's history may hold.
fn tokens() -> Vec<Token> {
    use How::{Bare, Imported, Late, Live, Recent, Tie};
    let mut all = Vec::new();
    let mut add = |said, hows: &[How], wider| all.extend(hows.iter().map(|how| token(said, *how, wider)));
    add(Said::Given, &[Live, Recent, Late, Tie, Imported, Bare], false);
    add(Said::Given, &[Live, Recent], true);
    for no in [Said::Refused, Said::Withdrawn, Said::Revoked, Said::Objected] {
        add(no, &[Live, Late, Imported], false);
        add(no, &[Live, Late, Imported], true);
    }
    add(Said::Restricted, &[Live, Late, Imported], false);
    add(Said::Lifted, &[Live, Recent, Late, Tie, Imported], false);
    add(Said::Returned, &[Live, Imported, Bare], false);
    add(Said::Erased, &[Live], false);
    all
}

/// What may happen to everybody.
const ALL: [Said; 4] = [Said::Expired, Said::Retired, Said::Superseded, Said::Rebased];

/// Every way in which steps that happen to everybody may stand between records.
pub fn skeletons(length: usize) -> Vec<Vec<Option<Said>>> {
    (0..length).fold(vec![Vec::new()], |longer, _| {
        let slots = [None].into_iter().chain(ALL.map(Some));
        slots.flat_map(|slot| longer.iter().map(move |before| [before.as_slice(), &[slot]].concat())).collect()
    })
}

/// Every history over a skeleton.
pub fn histories(skeleton: &[Option<Said>]) -> Vec<Vec<Token>> {
    let tokens = tokens();
    skeleton.iter().fold(vec![Vec::new()], |before, slot| {
        let next = slot.map_or(tokens.clone(), |said| vec![token(said, How::Live, false)]);
        before.iter().flat_map(|history| next.iter().map(|token| [history.as_slice(), &[*token]].concat())).collect()
    })
}
