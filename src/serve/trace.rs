//! The trace that a call belongs to (W3C Trace Context): its id is in the log lines of the call.

use http::{HeaderMap, HeaderName};
use tracing::Span;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The span of a call whose caller records the trace; `None` for all others, which cost nothing more.
pub fn span(headers: &HeaderMap) -> Option<Span> {
    let trace = recorded(headers.get(TRACEPARENT)?.to_str().ok()?)?;
    Some(tracing::info_span!("call", trace_id = trace))
}

/// The id of the trace, if the caller records it: version, trace, parent and flags, in hexadecimal digits.
fn recorded(text: &str) -> Option<&str> {
    let mut parts = text.split('-');
    let mut part = |digits: usize| {
        let part = parts.next()?;
        let is_hex = part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        (part.len() == digits && is_hex).then_some(part)
    };
    let (version, trace, parent, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
    let is_set = |id: &str| id.bytes().any(|byte| byte != b'0');
    let is_recorded = u8::from_str_radix(flags, 16).is_ok_and(|flags| flags & 1 == 1);
    (version != "ff" && is_set(trace) && is_set(parent) && is_recorded).then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_trace_is_known_by_its_id() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(recorded(&format!("00-{trace}-00f067aa0ba902b7-01")), Some(trace));
        assert_eq!(recorded(&format!("cc-{trace}-00f067aa0ba902b7-03-later")), Some(trace));
        for text in [
            "",
            "00",
            &format!("00-{trace}-00f067aa0ba902b7-00"),
            &format!("ff-{trace}-00f067aa0ba902b7-01"),
            &format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            &format!("00-{trace}-0000000000000000-01"),
            &format!("00-{}-00f067aa0ba902b7-01", trace.to_uppercase()),
            &format!("00-{trace}x-00f067aa0ba902b7-01"),
        ] {
            assert_eq!(recorded(text), None, "{text}");
        }
    }
}
