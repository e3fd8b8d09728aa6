//! Texts as HTML: plain ones without markup, and notices with the formatting of their Markdown; nothing of them is run,
//! loaded or followed by a browser.

use pulldown_cmark::{Event, Parser, Tag, TagEnd};

/// A text as HTML, without markup.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

/// A notice as HTML. All headings are of one level, that below `h3`. Markup in the text is shown as it was written, and
/// a link as its text with the address behind it.
pub fn notice(text: &str) -> String {
    let mut html = String::new();
    let mut addresses = Vec::new();
    for event in Parser::new(text) {
        match event {
            Event::Start(Tag::Link { dest_url, .. }) => addresses.push(dest_url),
            Event::End(TagEnd::Link) => {
                if let Some(address) = addresses.pop() {
                    html.push_str(&format!(" ({})", escaped(&address)));
                }
            }
            Event::Start(tag) => html.push_str(&begin(&tag)),
            Event::End(tag) => html.push_str(end(tag)),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => html.push_str(&escaped(&text)),
            Event::Code(text) => html.push_str(&format!("<code>{}</code>", escaped(&text))),
            Event::SoftBreak => html.push('\n'),
            Event::HardBreak => html.push_str("<br>\n"),
            Event::Rule => html.push_str("<hr>\n"),
            // Of extensions that are not turned on.
            _ => {}
        }
    }
    html
}

fn begin(tag: &Tag<'_>) -> String {
    match tag {
        Tag::Paragraph | Tag::HtmlBlock => "<p>".into(),
        Tag::Heading { .. } => "<h4>".into(),
        Tag::BlockQuote(_) => "<blockquote>\n".into(),
        Tag::CodeBlock(_) => "<pre>".into(),
        Tag::List(None) => "<ul>\n".into(),
        Tag::List(Some(first)) => format!("<ol start=\"{first}\">\n"),
        Tag::Item => "<li>".into(),
        Tag::Emphasis => "<em>".into(),
        Tag::Strong => "<strong>".into(),
        _ => String::new(),
    }
}

fn end(tag: TagEnd) -> &'static str {
    match tag {
        TagEnd::Paragraph | TagEnd::HtmlBlock => "</p>\n",
        TagEnd::Heading(_) => "</h4>\n",
        TagEnd::BlockQuote(_) => "</blockquote>\n",
        TagEnd::CodeBlock => "</pre>\n",
        TagEnd::List(false) => "</ul>\n",
        TagEnd::List(true) => "</ol>\n",
        TagEnd::Item => "</li>\n",
        TagEnd::Emphasis => "</em>",
        TagEnd::Strong => "</strong>",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::{escaped, notice};

    #[test]
    fn formatting_is_shown_and_markup_is_text() {
        for (text, shown) in [
            ("# Advice\n\n**What** we\n*ask*.", "<h4>Advice</h4>\n<p><strong>What</strong> we\n<em>ask</em>.</p>\n"),
            ("## Two\n\n- a\n- b", "<h4>Two</h4>\n<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n"),
            ("3. a", "<ol start=\"3\">\n<li>a</li>\n</ol>\n"),
            ("a <b onclick=x>c</b>", "<p>a &lt;b onclick=x&gt;c&lt;/b&gt;</p>\n"),
            ("<script>x</script>", "<p>&lt;script&gt;x&lt;/script&gt;</p>\n"),
            ("[us](javascript:x)", "<p>us (javascript:x)</p>\n"),
            ("![face](http://a/\"<b>)", "<p>face</p>\n"),
            ("`<i>`", "<p><code>&lt;i&gt;</code></p>\n"),
        ] {
            assert_eq!(notice(text), shown, "{text}");
        }
    }

    #[test]
    fn nothing_of_a_text_is_taken_for_markup() {
        assert_eq!(escaped("<b a='1' b=\"2\">&"), "&lt;b a=&#39;1&#39; b=&quot;2&quot;&gt;&amp;");
    }
}
