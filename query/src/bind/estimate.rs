//! How much memory binding a text may take, before it is known what the text says.

/// Bytes for any statement.
const BASE_BYTES: usize = 64 << 10;
/// Bytes for a byte of the text: it may be one literal, copied from token to syntax tree to plan, or one word in an
/// error.
const BYTES_PER_BYTE: usize = 5;
/// Bytes for a token: itself, its place, its part of the syntax tree, of the logical and the physical plan.
const TOKEN_BYTES: usize = 800;
/// Bytes for a SELECT: its node of the syntax tree is large, and set operations nest by one each.
const SELECT_BYTES: usize = 24 << 10;
/// Bytes for a relation in FROM: its node is large too, and lies in an array that grows by doubling.
const RELATION_BYTES: usize = 8 << 10;

/// Words after which a comma stands between something other than relations.
const CLAUSES: [&str; 14] = [
    "select",
    "where",
    "group",
    "having",
    "order",
    "limit",
    "offset",
    "fetch",
    "window",
    "for",
    "union",
    "returning",
    "values",
    "set",
];

/// Bytes of memory that [`super::bind`] may take for a text of this kind, roughly and rather too many: to be asked
/// for before it is called where memory is scarce.
pub fn memory_estimate(sql: &str) -> usize {
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b >= 0x80;
    let bytes = sql.as_bytes();
    let (mut tokens, mut large) = (0, 0);
    let mut is_in_from = false;
    let mut at = 0;
    while at < bytes.len() {
        if !is_name(bytes[at]) {
            tokens += usize::from(!bytes[at].is_ascii_whitespace());
            large += usize::from(bytes[at] == b',' && is_in_from) * RELATION_BYTES;
            at += 1;
            continue;
        }
        let length = bytes[at..].iter().take_while(|b| is_name(**b)).count();
        let word = &bytes[at..at + length];
        at += length;
        tokens += 1;
        let is = |keyword: &str| word.eq_ignore_ascii_case(keyword.as_bytes());
        if is("select") {
            large += SELECT_BYTES;
        }
        if is("join") || is("from") || is("using") {
            large += RELATION_BYTES;
        }
        is_in_from = (is_in_from || is("from") || is("using")) && !CLAUSES.iter().any(|c| is(c));
    }
    BASE_BYTES + bytes.len() * BYTES_PER_BYTE + tokens * TOKEN_BYTES + large
}
