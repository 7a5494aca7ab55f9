//! `mistake`: the path of a route, as axum 0.8 reads it, `/users/{id}` and `/files/{*rest}`.

/// What is wrong with `path`, and how to write it.
pub(super) fn mistake(path: &str) -> Option<String> {
    if !path.starts_with('/') {
        return Some(format!("a path begins with `/`; write \"/{path}\""));
    }
    if let Some(at) = path.find(['?', '#']) {
        return Some(format!(
            "a path ends before `{}`; query parameters are extracted with `Query`",
            &path[at..=at]
        ));
    }
    if path.contains(char::is_whitespace) {
        return Some("a path has no white space; write it percent-encoded".to_owned());
    }
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    if segments.iter().any(|s| s.starts_with(':') || s.starts_with('*')) {
        let cured: Vec<String> = segments
            .iter()
            .map(|segment| match (segment.strip_prefix(':'), segment.strip_prefix('*')) {
                (Some(name), _) => format!("{{{name}}}"),
                (_, Some(name)) => format!("{{*{name}}}"),
                _ => (*segment).to_owned(),
            })
            .collect();
        return Some(format!(
            "path parameters are written in braces; write \"/{}\"",
            cured.join("/")
        ));
    }
    let last = segments.len().saturating_sub(1);
    segments.iter().enumerate().find_map(|(at, segment)| in_segment(segment, at == last))
}

fn in_segment(segment: &str, last: bool) -> Option<String> {
    // Doubled braces stand for themselves.
    let plain = segment.replace("{{", "").replace("}}", "");
    let opened = plain.matches('{').count();
    if opened != plain.matches('}').count() || plain.find('}') < plain.find('{') {
        return Some(format!("the braces of `{segment}` do not pair; write `{{name}}`"));
    }
    if opened > 1 {
        return Some(format!("`{segment}` holds two parameters; put a `/` between them"));
    }
    if plain.contains("{}") || plain.contains("{*}") {
        return Some(format!("the parameter of `{segment}` has no name; write `{{name}}`"));
    }
    if plain.contains("{*") && !last {
        return Some(format!("`{segment}` takes the rest of the path; it must come last"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::mistake;

    #[test]
    fn paths_that_axum_takes_pass() {
        for path in ["/", "/push", "/users/{id}/events", "/files/{*rest}", "/a{id}", "/{{literal}}"]
        {
            assert_eq!(mistake(path), None, "{path}");
        }
    }

    #[test]
    fn each_wrong_path_is_answered_with_the_right_one() {
        for (path, cure) in [
            ("push", "\"/push\""),
            ("", "\"/\""),
            ("/users/:id/x", "\"/users/{id}/x\""),
            ("/files/*rest", "\"/files/{*rest}\""),
            ("/push?id=1", "Query"),
            ("/a b", "percent"),
            ("/{id", "pair"),
            ("/}id{", "pair"),
            ("/{a}{b}", "`/` between"),
            ("/{}", "no name"),
            ("/{*rest}/x", "come last"),
        ] {
            let said = mistake(path).unwrap_or_default();
            assert!(said.contains(cure), "{path}: {said}");
        }
    }
}
