//! A page with holes: `{{name}}` is replaced, and escaped unless it is markup of our own.

use axum::response::{Html, IntoResponse, Response};

/// One HTML page, made from a template that is part of the program.
#[derive(Debug)]
pub struct Page {
    template: &'static str,
    values: Vec<(&'static str, String)>,
}

impl Page {
    /// A page made of `template`, mostly `include_str!("…")`. Its `{{style}}` is the look that all
    /// pages share.
    pub fn new(template: &'static str) -> Self {
        let style = include_str!("../pages/style.css").to_owned();
        Self { template, values: vec![("style", style)] }
    }

    /// Puts `value` in the place of `{{name}}`, as text or inside a quoted attribute; it may come from anywhere.
    #[must_use]
    pub fn text(mut self, name: &'static str, value: impl AsRef<str>) -> Self {
        let value = value.as_ref();
        let mut escaped = String::with_capacity(value.len());
        for character in value.chars() {
            match character {
                '&' => escaped.push_str("&amp;"),
                '<' => escaped.push_str("&lt;"),
                '>' => escaped.push_str("&gt;"),
                '"' => escaped.push_str("&quot;"),
                '\'' => escaped.push_str("&#39;"),
                other => escaped.push(other),
            }
        }
        self.values.push((name, escaped));
        self
    }

    /// Puts `markup` in the place of `{{name}}` as it is: never anything that came with a request.
    #[must_use]
    pub fn markup(mut self, name: &'static str, markup: String) -> Self {
        self.values.push((name, markup));
        self
    }

    /// The finished page. One pass: braces inside a value stay what they are. A hole without a
    /// value stays empty.
    pub fn render(&self) -> String {
        let mut html = String::with_capacity(self.template.len() + 4096);
        let mut rest = self.template;
        while let Some((before, hole)) = rest.split_once("{{") {
            let Some((name, after)) = hole.split_once("}}") else { break };
            html.push_str(before);
            if let Some((_, value)) = self.values.iter().find(|(given, _)| *given == name) {
                html.push_str(value);
            }
            rest = after;
        }
        html.push_str(rest);
        html
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        // A page with a fresh number must not come out of a cache.
        ([("cache-control", "no-store")], Html(self.render())).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_stays_text_and_opens_no_second_hole() {
        let page = Page::new(r#"<p title="{{who}}">{{who}}</p>{{icon}}{{nobody}}"#)
            .text("who", r#""><script>'&{{icon}}"#)
            .markup("icon", "<svg/>".to_owned());
        let text = "&quot;&gt;&lt;script&gt;&#39;&amp;{{icon}}";
        assert_eq!(page.render(), format!(r#"<p title="{text}">{text}</p><svg/>"#));
    }
}
