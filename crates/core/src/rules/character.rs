//! Invisible characters, and those that look like a space but are not: their names, and where a text may contain them.
//!
//! These are Unicode's default-ignorable characters (DerivedCoreProperties), spaces (Zs) other than U+0020, and format
//! characters (Cf) without a glyph. Control characters are refused earlier.

/// The ranges of invisible characters with their names, in order: first, last, name.
const NAMES: [(char, char, &str); 65] = [
    ('\u{a0}', '\u{a0}', "no-break space"),
    ('\u{ad}', '\u{ad}', "soft hyphen"),
    ('\u{34f}', '\u{34f}', "combining grapheme joiner"),
    ('\u{61c}', '\u{61c}', "arabic letter mark"),
    ('\u{115f}', '\u{115f}', "hangul choseong filler"),
    ('\u{1160}', '\u{1160}', "hangul jungseong filler"),
    ('\u{1680}', '\u{1680}', "ogham space mark"),
    ('\u{17b4}', '\u{17b5}', "khmer inherent vowel"),
    ('\u{180b}', '\u{180d}', "mongolian variation selector"),
    ('\u{180e}', '\u{180e}', "mongolian vowel separator"),
    ('\u{180f}', '\u{180f}', "mongolian variation selector"),
    ('\u{2000}', '\u{2000}', "en quad"),
    ('\u{2001}', '\u{2001}', "em quad"),
    ('\u{2002}', '\u{2002}', "en space"),
    ('\u{2003}', '\u{2003}', "em space"),
    ('\u{2004}', '\u{2004}', "three-per-em space"),
    ('\u{2005}', '\u{2005}', "four-per-em space"),
    ('\u{2006}', '\u{2006}', "six-per-em space"),
    ('\u{2007}', '\u{2007}', "figure space"),
    ('\u{2008}', '\u{2008}', "punctuation space"),
    ('\u{2009}', '\u{2009}', "thin space"),
    ('\u{200a}', '\u{200a}', "hair space"),
    ('\u{200b}', '\u{200b}', "zero width space"),
    ('\u{200c}', '\u{200c}', "zero width non-joiner"),
    ('\u{200d}', '\u{200d}', "zero width joiner"),
    ('\u{200e}', '\u{200e}', "left-to-right mark"),
    ('\u{200f}', '\u{200f}', "right-to-left mark"),
    ('\u{2028}', '\u{2028}', "line separator"),
    ('\u{2029}', '\u{2029}', "paragraph separator"),
    ('\u{202a}', '\u{202a}', "left-to-right embedding"),
    ('\u{202b}', '\u{202b}', "right-to-left embedding"),
    ('\u{202c}', '\u{202c}', "pop directional formatting"),
    ('\u{202d}', '\u{202d}', "left-to-right override"),
    ('\u{202e}', '\u{202e}', "right-to-left override"),
    ('\u{202f}', '\u{202f}', "narrow no-break space"),
    ('\u{205f}', '\u{205f}', "medium mathematical space"),
    ('\u{2060}', '\u{2060}', "word joiner"),
    ('\u{2061}', '\u{2061}', "function application"),
    ('\u{2062}', '\u{2062}', "invisible times"),
    ('\u{2063}', '\u{2063}', "invisible separator"),
    ('\u{2064}', '\u{2064}', "invisible plus"),
    ('\u{2065}', '\u{2065}', "unassigned invisible character"),
    ('\u{2066}', '\u{2066}', "left-to-right isolate"),
    ('\u{2067}', '\u{2067}', "right-to-left isolate"),
    ('\u{2068}', '\u{2068}', "first strong isolate"),
    ('\u{2069}', '\u{2069}', "pop directional isolate"),
    ('\u{206a}', '\u{206f}', "deprecated format character"),
    ('\u{2800}', '\u{2800}', "braille pattern blank"),
    ('\u{3000}', '\u{3000}', "ideographic space"),
    ('\u{3164}', '\u{3164}', "hangul filler"),
    ('\u{fe00}', '\u{fe0f}', "variation selector"),
    ('\u{feff}', '\u{feff}', "byte order mark"),
    ('\u{ffa0}', '\u{ffa0}', "halfwidth hangul filler"),
    ('\u{fff0}', '\u{fff8}', "unassigned invisible character"),
    ('\u{fff9}', '\u{fffb}', "interlinear annotation mark"),
    ('\u{13430}', '\u{1343f}', "egyptian hieroglyph format control"),
    ('\u{1bca0}', '\u{1bca3}', "shorthand format control"),
    ('\u{1d173}', '\u{1d17a}', "musical format control"),
    ('\u{e0000}', '\u{e0000}', "unassigned invisible character"),
    ('\u{e0001}', '\u{e0001}', "language tag"),
    ('\u{e0002}', '\u{e001f}', "unassigned invisible character"),
    ('\u{e0020}', '\u{e007f}', "tag character"),
    ('\u{e0080}', '\u{e00ff}', "unassigned invisible character"),
    ('\u{e0100}', '\u{e01ef}', "variation selector"),
    ('\u{e01f0}', '\u{e0fff}', "unassigned invisible character"),
];

/// The name of an invisible character, in lower case.
fn name(c: char) -> Option<&'static str> {
    let place = NAMES.partition_point(|(first, ..)| *first <= c).checked_sub(1)?;
    NAMES.get(place).filter(|(_, last, _)| c <= *last).map(|(.., name)| *name)
}

/// Its escape in quotes: `\u200b`.
pub fn escape(c: char) -> String {
    let point = u32::from(c);
    if point > 0xffff { format!("\\U{point:08x}") } else { format!("\\u{point:04x}") }
}

/// `U+200B zero width space`; for other characters the code point alone.
pub fn described(c: char) -> String {
    let point = format!("U+{:04X}", u32::from(c));
    name(c).map_or_else(|| point.clone(), |name| format!("{point} {name}"))
}

/// Whether a character is invisible, or looks like a plain space.
pub fn is_invisible(c: char) -> bool {
    name(c).is_some()
}

/// Whether a space may have been meant.
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || c == '\u{2800}'
}

/// The first invisible character of a text.
pub fn first_invisible(text: &str) -> Option<(usize, char)> {
    if text.is_ascii() {
        return None;
    }
    text.char_indices().find(|(_, c)| name(*c).is_some())
}

/// The first invisible character of a text for people that has no effect there.
pub fn first_idle(text: &str) -> Option<(usize, char)> {
    if text.is_ascii() {
        return None;
    }
    let idle = |(place, c): &(usize, char)| {
        let behind = place + c.len_utf8();
        let (before, after) = (text.get(..*place).unwrap_or(""), text.get(behind..).unwrap_or(""));
        name(*c).is_some() && !does_something(*c, before, after)
    };
    text.char_indices().find(idle)
}

/// Whether a character has an effect between its neighbours: spaces and hyphens where lines break, joiners where
/// letters or signs join, marks of direction.
fn does_something(c: char, before: &str, after: &str) -> bool {
    let (before, after) = (before.chars().next_back(), after.chars().next());
    let around = |inside: fn(char) -> bool| before.is_some_and(inside) || after.is_some_and(inside);
    match c {
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => true,
        '\u{ad}' | '\u{2060}' | '\u{200e}' | '\u{200f}' | '\u{61c}' => true,
        '\u{200b}' => around(writes_without_spaces),
        '\u{200c}' => before.is_some_and(joins_letters),
        '\u{200d}' => before.is_some_and(joins_letters) || before.is_some_and(is_sign) && after.is_some_and(is_sign),
        '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' => {
            before.is_some_and(|c| name(c).is_none() && !is_space(c))
        }
        '\u{e0020}'..='\u{e007f}' => before.is_some_and(|c| matches!(c, '\u{1f3f4}' | '\u{e0020}'..='\u{e007e}')),
        '\u{180b}'..='\u{180f}' => around(|c| matches!(c, '\u{1800}'..='\u{18af}')),
        '\u{17b4}' | '\u{17b5}' => around(|c| matches!(c, '\u{1780}'..='\u{17ff}')),
        _ => false,
    }
}

/// Scripts whose letters join, from Arabic to the scripts of South and South East Asia.
fn joins_letters(c: char) -> bool {
    matches!(c, '\u{600}'..='\u{8ff}' | '\u{900}'..='\u{109f}' | '\u{1780}'..='\u{1aff}' | '\u{1b00}'..='\u{1cff}')
        || matches!(c, '\u{a840}'..='\u{a8ff}' | '\u{a980}'..='\u{abff}' | '\u{10a00}'..='\u{11fff}')
}

/// Scripts that put no spaces between words.
fn writes_without_spaces(c: char) -> bool {
    matches!(c, '\u{e00}'..='\u{fff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{1950}'..='\u{19df}')
        || matches!(c, '\u{2e80}'..='\u{2fff}' | '\u{3001}'..='\u{3163}' | '\u{3165}'..='\u{9fff}')
}

/// Characters that combine into one picture: emoji, skin tones, and the emoji variation selector.
fn is_sign(c: char) -> bool {
    matches!(c, '\u{200d}' | '\u{fe0f}' | '\u{2190}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_characters_have_names_and_visible_ones_have_none() {
        assert!(NAMES.windows(2).all(|pair| pair[0].1 < pair[1].0), "in order");
        assert_eq!(described('\u{200b}'), "U+200B zero width space");
        assert_eq!(described('\u{1}'), "U+0001");
        for c in ['a', ' ', '\n', '\u{e9}', '\u{301}', '-', '\u{2011}', '\u{4e00}', '\u{1f600}', '\u{2026}'] {
            assert_eq!(name(c), None, "{c:?}");
        }
    }

    #[test]
    fn default_ignorable_characters_and_spaces_are_named() {
        // DerivedCoreProperties.txt of Unicode 16, Default_Ignorable_Code_Point; and Zs but U+0020.
        let ignorable = [
            (0xad, 0xad),
            (0x34f, 0x34f),
            (0x61c, 0x61c),
            (0x115f, 0x1160),
            (0x17b4, 0x17b5),
            (0x180b, 0x180f),
            (0x200b, 0x200f),
            (0x202a, 0x202e),
            (0x2060, 0x206f),
            (0x3164, 0x3164),
            (0xfe00, 0xfe0f),
            (0xfeff, 0xfeff),
            (0xffa0, 0xffa0),
            (0xfff0, 0xfff8),
            (0x1bca0, 0x1bca3),
            (0x1d173, 0x1d17a),
            (0xe0000, 0xe0fff),
        ];
        for point in ignorable.iter().flat_map(|(first, last)| *first..=*last) {
            assert!(name(char::from_u32(point).unwrap()).is_some(), "U+{point:04X}");
        }
        let spaces = (0x80..=0x10_ffff).filter_map(char::from_u32).filter(|c| c.is_whitespace() && !c.is_control());
        assert!(spaces.into_iter().all(|c| name(c).is_some()));
    }

    #[test]
    fn a_text_for_people_may_contain_invisible_characters_with_an_effect() {
        for text in [
            "9\u{a0}\u{20ac}",
            "50\u{202f}%",
            "Donau\u{ad}dampf\u{ad}schiff",
            "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
            "\u{1f3f3}\u{fe0f}\u{200d}\u{1f308} and \u{1f44d}\u{1f3fd}",
            "\u{2764}\u{fe0f}\u{200d}\u{1f525}",
            "\u{1f3f4}\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
            "\u{645}\u{6cc}\u{200c}\u{62e}\u{648}\u{627}\u{647}\u{645}",
            "\u{915}\u{94d}\u{200d}\u{937}",
            "\u{e2a}\u{200b}\u{e27}",
            "\u{5d0}\u{200f} 5",
            "1\u{fe0f}\u{20e3}",
        ] {
            assert_eq!(first_idle(text), None, "{text:?}");
            assert!(first_invisible(text).is_some(), "{text:?}");
        }
        for (text, place) in [
            ("off\u{200b}er", 3),
            ("off\u{200d}er", 3),
            ("off\u{200c}er", 3),
            ("\u{fe0f}x", 0),
            ("a \u{fe0f}x", 2),
            ("a\u{2063}b", 1),
            ("a\u{3164}b", 1),
            ("a\u{e0067}b", 1),
            ("\u{1f468}\u{200d} x", 4),
        ] {
            assert_eq!(first_idle(text).map(|(place, _)| place), Some(place), "{text:?}");
        }
    }
}
