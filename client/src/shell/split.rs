//! Cuts input into statements: at semicolons outside strings, quoted names, comments and parentheses.
//! A backslash outside of those begins a command of the shell's own, to the end of the line; before a semicolon it keeps that
//! from ending the statement.

/// A whole thing to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// A statement, with its semicolon.
    Statement(String),
    /// A command without its backslash.
    Command(String),
}

/// Where the text is.
#[derive(Clone, PartialEq, Eq, Debug)]
enum State {
    Plain,
    /// Inside quotes; with backslash escapes (`E'…'`) or without.
    Quoted {
        quote: char,
        escapes: bool,
    },
    /// Inside `$tag$ … $tag$`.
    Dollar(String),
    LineComment,
    BlockComment(u32),
}

/// Collects lines until they make statements.
#[derive(Debug)]
pub struct Splitter {
    state: State,
    depth: u32,
    pending: String,
}

impl Default for Splitter {
    fn default() -> Self {
        Splitter {
            state: State::Plain,
            depth: 0,
            pending: String::new(),
        }
    }
}

impl Splitter {
    /// Whether a statement has begun.
    pub fn is_pending(&self) -> bool {
        !self.pending.trim().is_empty()
    }

    /// What the prompt shows between name and `#`: how the statement that has begun goes on.
    pub fn prompt_mark(&self) -> char {
        match &self.state {
            State::Quoted { quote, .. } => *quote,
            State::Dollar(_) => '$',
            State::BlockComment(_) => '*',
            _ if self.depth > 0 => '(',
            _ if self.is_pending() => '-',
            _ => '=',
        }
    }

    /// Forgets what has begun.
    pub fn clear(&mut self) {
        *self = Splitter::default();
    }

    /// The statement that has begun, at the end of the input.
    pub fn finish(&mut self) -> Option<String> {
        let rest = core::mem::take(self).pending;
        (!rest.trim().is_empty()).then_some(rest)
    }

    /// Adds a line (without its newline); gives what is whole now.
    pub fn line(&mut self, line: &str) -> Vec<Input> {
        let mut whole = Vec::new();
        let characters: Vec<char> = line.chars().collect();
        let mut at = 0;
        while at < characters.len() {
            let c = characters[at];
            let next = characters.get(at + 1).copied();
            match &mut self.state {
                State::Plain => {
                    if c == '\\' && next == Some(';') {
                        // A semicolon that does not end what is sent: several statements in one query.
                        self.pending.push(';');
                        at += 2;
                        continue;
                    }
                    if c == '\\' {
                        if !self.pending.is_empty() {
                            self.pending.push('\n');
                        }
                        let command: String = characters[at + 1..].iter().collect();
                        whole.push(Input::Command(command.trim().to_string()));
                        return whole;
                    }
                    at += self.plain(&characters, at, &mut whole);
                    continue;
                }
                State::Quoted { quote, escapes } => {
                    if *escapes && c == '\\' {
                        self.pending.push(c);
                        self.pending.extend(next);
                        at += 2;
                        continue;
                    }
                    if c == *quote {
                        // A doubled quote closes and opens again, which comes to the same.
                        self.state = State::Plain;
                    }
                    self.pending.push(c);
                }
                State::Dollar(tag) => {
                    let end: Vec<char> = tag.chars().collect();
                    if characters[at..].starts_with(&end) {
                        self.pending.push_str(tag);
                        at += end.len();
                        self.state = State::Plain;
                        continue;
                    }
                    self.pending.push(c);
                }
                State::LineComment => self.pending.push(c),
                State::BlockComment(depth) => {
                    self.pending.push(c);
                    let is_open = c == '/' && next == Some('*');
                    let is_close = c == '*' && next == Some('/');
                    if is_open || is_close {
                        self.pending.extend(next);
                        at += 1;
                        *depth = if is_open { *depth + 1 } else { *depth - 1 };
                        if *depth == 0 {
                            self.state = State::Plain;
                        }
                    }
                }
            }
            at += 1;
        }
        if self.state == State::LineComment {
            self.state = State::Plain;
        }
        if !self.pending.is_empty() {
            self.pending.push('\n');
        }
        whole
    }

    /// One token's worth of plain text at `at`; gives how many characters it took.
    fn plain(&mut self, characters: &[char], at: usize, whole: &mut Vec<Input>) -> usize {
        let c = characters[at];
        let next = characters.get(at + 1).copied();
        self.pending.push(c);
        match c {
            '\'' => {
                let before = at.checked_sub(1).map(|i| characters[i]);
                let before_that = at.checked_sub(2).map(|i| characters[i]);
                let escapes = matches!(before, Some('e' | 'E'))
                    && !before_that.is_some_and(|c| c.is_alphanumeric() || c == '_');
                self.state = State::Quoted {
                    quote: '\'',
                    escapes,
                };
            }
            '"' => {
                self.state = State::Quoted {
                    quote: '"',
                    escapes: false,
                }
            }
            '-' if next == Some('-') => self.state = State::LineComment,
            '/' if next == Some('*') => {
                self.pending.push('*');
                self.state = State::BlockComment(1);
                return 2;
            }
            '$' => {
                let is_name =
                    at > 0 && (characters[at - 1].is_alphanumeric() || characters[at - 1] == '_');
                if let Some(tag) = dollar_tag(&characters[at..]).filter(|_| !is_name) {
                    self.pending.push_str(&tag[1..]);
                    let length = tag.chars().count();
                    self.state = State::Dollar(tag);
                    return length;
                }
            }
            '(' => self.depth += 1,
            ')' => self.depth = self.depth.saturating_sub(1),
            ';' if self.depth == 0 => {
                let statement = core::mem::take(&mut self.pending);
                whole.push(Input::Statement(statement.trim_start().to_string()));
            }
            _ => {}
        }
        1
    }
}

/// `$tag$` at the beginning of `characters`.
fn dollar_tag(characters: &[char]) -> Option<String> {
    let end = 1 + characters[1..].iter().position(|c| *c == '$')?;
    let tag = &characters[1..end];
    let is_tag = tag
        .iter()
        .enumerate()
        .all(|(i, c)| c.is_alphabetic() || *c == '_' || (i > 0 && c.is_ascii_digit()));
    is_tag.then(|| characters[..=end].iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str], rest: Option<&str>) {
        let mut splitter = Splitter::default();
        let mut got = Vec::new();
        for line in text.split('\n') {
            for input in splitter.line(line) {
                got.push(match input {
                    Input::Statement(s) => s,
                    Input::Command(c) => format!("\\{c}"),
                });
            }
        }
        assert_eq!(got, expected, "{text}");
        assert_eq!(splitter.finish().as_deref().map(str::trim), rest, "{text}");
    }

    #[test]
    fn statements_end_at_plain_semicolons() {
        check("select 1; select 2;", &["select 1;", "select 2;"], None);
        check("select ';' , \"a;b\";", &["select ';' , \"a;b\";"], None);
        check("select 'it''s;' ;", &["select 'it''s;' ;"], None);
        check("select E'a\\';' ;", &["select E'a\\';' ;"], None);
        check("select $x$ ; $$ $x$;", &["select $x$ ; $$ $x$;"], None);
        check("select (1;2);", &["select (1;2);"], None);
    }

    #[test]
    fn comments_and_lines() {
        check("select 1 -- no; end\n;", &["select 1 -- no; end\n;"], None);
        check(
            "/* a /* ; */ ; */ select 1;",
            &["/* a /* ; */ ; */ select 1;"],
            None,
        );
        check("select\n1", &[], Some("select\n1"));
        check(
            "select 1;\n\\d t\nselect 2;",
            &["select 1;", "\\d t", "select 2;"],
            None,
        );
    }

    #[test]
    fn a_backslash_before_a_semicolon_keeps_the_statement_open() {
        check(
            "begin\\; select 1\\; commit;",
            &["begin; select 1; commit;"],
            None,
        );
        check("select '\\;';", &["select '\\;';"], None);
        check("select \\d t\n1;", &["\\d t", "select \n1;"], None);
    }

    #[test]
    fn the_prompt_says_what_is_open() {
        let mut splitter = Splitter::default();
        assert_eq!(splitter.prompt_mark(), '=');
        splitter.line("select 'a");
        assert_eq!(splitter.prompt_mark(), '\'');
        splitter.line("' (");
        assert_eq!(splitter.prompt_mark(), '(');
        splitter.line(")");
        assert_eq!(splitter.prompt_mark(), '-');
    }
}
