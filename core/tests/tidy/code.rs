//! A file as the rules see it: its text, and its Rust code with comments and literals blanked out.

/// One file of the repository.
pub(crate) struct SourceFile {
    /// From the repository's root, with `/`.
    pub(crate) path: String,
    /// As written.
    pub(crate) text: String,
    /// As written, but comments are spaces and literals are `"`; same lines, same byte offsets.
    pub(crate) code: String,
}

impl SourceFile {
    pub(crate) fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        let (path, text) = (path.into(), text.into());
        let code = if path.ends_with(".rs") { blank(&text) } else { String::new() };
        Self { path, text, code }
    }

    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The first folder: `core`, `cli`, …
    pub(crate) fn package(&self) -> &str {
        self.path.split('/').next().unwrap_or_default()
    }

    /// The code before the first test module (tests stand last); nothing of a file that is itself a test or
    /// bench.
    pub(crate) fn library_code(&self) -> &str {
        let parts: Vec<&str> = self.path.split('/').collect();
        if parts.iter().any(|part| matches!(*part, "tests" | "tests.rs" | "benches" | "examples")) {
            return "";
        }
        self.code.find("#[cfg(test)]").map_or(&self.code, |at| &self.code[..at])
    }
}

/// Every place (byte offset) where `word` stands alone: no letter, digit or `_` on either side.
pub(crate) fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let joins = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        !joins(text[..at].chars().next_back()) && !joins(text[at + word.len()..].chars().next())
    })
}

/// The names right under a path prefix: `crate::a::B` and `crate::{a::B, c}` give `a` and `c`, each with its
/// offset.
pub(crate) fn names_under(code: &str, root: &str) -> Vec<(usize, String)> {
    let mut names = Vec::new();
    for at in words(code, root) {
        let Some(rest) = code[at + root.len()..].strip_prefix("::") else { continue };
        if code[..at].ends_with("::") {
            continue;
        }
        let start = code.len() - rest.len();
        match rest.strip_prefix('{') {
            None => names.push((start, leading_name(rest))),
            Some(group) => group_names(group, start + 1, &mut names),
        }
    }
    names.retain(|(_, name)| !name.is_empty());
    names
}

/// The 1-based line of a byte offset.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// The first name of each member of a `{…}` group, whose text starts behind the opening brace.
fn group_names(group: &str, offset: usize, names: &mut Vec<(usize, String)>) {
    let (mut depth, mut member_begins) = (1, true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => member_begins = true,
            c if member_begins && !c.is_whitespace() => {
                names.push((offset + at, leading_name(&group[at..])));
                member_begins = false;
            }
            _ => {}
        }
        if depth == 0 {
            return;
        }
    }
}

fn leading_name(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Blanks comments (by spaces) and literals (by `"`); keeps every newline and all byte offsets.
fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let literal = literal_len(rest, out.chars().next_back());
        let taken = if literal > 0 { literal } else { char_len(rest) };
        let mask = if rest.starts_with('/') { " " } else { "\"" };
        for c in rest[..taken].chars() {
            match c {
                c if literal == 0 || c == '\n' => out.push(c),
                c => out.push_str(&mask.repeat(c.len_utf8())),
            }
        }
        rest = &rest[taken..];
    }
    out
}

/// How many bytes of comment or literal `text` starts with; 0 if it starts with code.
fn literal_len(text: &str, before: Option<char>) -> usize {
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return block_comment_len(text);
    }
    if text.starts_with('"') {
        return quoted_len(text, '"');
    }
    let word_before = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if text.starts_with('r') && (!word_before || before == Some('b')) {
        return raw_string_len(text);
    }
    if let Some(after) = text.strip_prefix('\'') {
        let mut after = after.chars();
        let (first, second) = (after.next(), after.next());
        // Otherwise it is a lifetime.
        return if first == Some('\\') || second == Some('\'') { quoted_len(text, '\'') } else { 0 };
    }
    0
}

fn block_comment_len(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let rest = &text[at..];
        let step = match (rest.starts_with("/*"), rest.starts_with("*/")) {
            (true, _) => {
                depth += 1;
                2
            }
            (_, true) => {
                depth -= 1;
                2
            }
            _ => char_len(rest),
        };
        at += step;
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

fn quoted_len(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn raw_string_len(text: &str) -> usize {
    let hashes = text[1..].chars().take_while(|c| *c == '#').count();
    let open = 1 + hashes;
    if !text[open..].starts_with('"') {
        return 0;
    }
    let close = format!("\"{}", "#".repeat(hashes));
    text[open + 1..].find(&close).map_or(text.len(), |at| open + 1 + at + close.len())
}

fn char_len(text: &str) -> usize {
    text.chars().next().map_or(0, char::len_utf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked() {
        let text = "a // x\nb /* y /* z */ */ c \"q\\\"\" d 'é' e<'t> r#\"r\"r\"# b\"s\" f";
        let code = blank(text);
        assert_eq!(code.len(), text.len());
        let left: Vec<&str> = code.split(['"', ' ', '\n']).filter(|word| !word.is_empty()).collect();
        assert_eq!(left, ["a", "b", "c", "d", "e<'t>", "b", "f"]);
        assert_eq!(code.matches('\n').count(), 1);
    }

    #[test]
    fn names_of_paths_and_groups() {
        let code =
            "use crate::a::B;\nuse crate::{c::{D, E}, f, self_test};\nlet x = mycrate::no + crate::g();";
        let names: Vec<String> = names_under(code, "crate").into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["a", "c", "f", "self_test", "g"]);
        assert_eq!(line_of(code, names_under(code, "crate")[1].0), 2);
    }

    #[test]
    fn words_stand_alone() {
        assert_eq!(words("unsafe_code unsafe not_unsafe unsafe{", "unsafe").collect::<Vec<_>>(), [12, 30]);
    }
}
