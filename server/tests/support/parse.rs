//! The scripted parse function. A plan is the catalog's version and the statement's text.

use super::CATALOG_VERSION;
use std::sync::atomic::Ordering;
use vireo_abi::message::error::SqlError;
use vireo_abi::message::parse::{
    ColumnInfo, ParseReply, ParseRequest, StatementInfo, StatementKind,
};
use vireo_abi::message::{decode, encode};
use vireo_abi::sql_type::{SqlType, TypeId};
use vireo_runtime::{Function, Io, Start};

/// The scripted parse function.
pub struct FakeParse {
    /// Statements that begin with "held", until "release" comes: their port, request and text.
    held: Vec<(usize, ParseRequest, String)>,
}

impl Function for FakeParse {
    fn new(_: &Start, _: &mut Io) -> FakeParse {
        FakeParse { held: Vec::new() }
    }

    fn poll(&mut self, io: &mut Io) -> bool {
        let mut has_worked = false;
        for index in 0..io.ports.len() {
            while let Some(message) = io.ports[index].receive() {
                has_worked = true;
                let request: ParseRequest = decode(message.head).unwrap();
                let text = std::str::from_utf8(message.body).unwrap().to_owned();
                if text == "hang parse" {
                    continue;
                }
                if text.starts_with("held") {
                    self.held.push((index, request, text));
                    continue;
                }
                if text == "release" {
                    for (index, request, text) in self.held.drain(..) {
                        let (reply, plan) = answer(&request, &text);
                        io.ports[index].send(&encode(&reply), &plan);
                    }
                }
                let (reply, plan) = answer(&request, &text);
                io.ports[index].send(&encode(&reply), &plan);
            }
        }
        has_worked
    }

    fn link_down(&mut self, _: usize, _: &mut Io) {}
    fn link_up(&mut self, _: usize, _: &mut Io) {}
}

fn answer(asked: &ParseRequest, text: &str) -> (ParseReply, Vec<u8>) {
    let request = asked.request;
    let word = text.trim_matches(|c: char| c == ';' || c.is_whitespace());
    assert!(word != "crash parse", "a scripted crash");
    if word.is_empty() {
        return (ParseReply::Empty { request }, Vec::new());
    }
    let statements: Vec<(u32, u32)> = pieces(text);
    if statements.len() > 1 && asked.many {
        return (
            ParseReply::Many {
                request,
                statements,
            },
            Vec::new(),
        );
    }
    if let Some(offset) = word.find("syntax!") {
        let error =
            SqlError::new(b"42601", "syntax error at or near \"syntax!\"").at(offset as u32);
        return (ParseReply::Failed { request, error }, Vec::new());
    }
    if word == "missing" {
        let error = SqlError::new(b"42P01", "relation \"missing\" does not exist").at(0);
        return (ParseReply::Failed { request, error }, Vec::new());
    }
    if word == "early" {
        let error = SqlError::new(b"57P03", "the database system is starting up");
        return (ParseReply::Failed { request, error }, Vec::new());
    }
    let version = CATALOG_VERSION.load(Ordering::SeqCst);
    let statement = StatementInfo {
        kind: kind(word),
        parameters: if word.contains("$1") {
            vec![SqlType::plain(TypeId::Text)]
        } else {
            Vec::new()
        },
        columns: columns(word, version),
        catalog_version: version,
        cacheable: !word.contains("secret"),
    };
    let plan = [&version.to_le_bytes()[..], word.as_bytes()].concat();
    (ParseReply::Planned { request, statement }, plan)
}

/// The statements of a text, by their semicolons.
fn pieces(text: &str) -> Vec<(u32, u32)> {
    let mut pieces = Vec::new();
    let mut start = 0;
    for piece in text.split(';') {
        if !piece.trim().is_empty() {
            pieces.push((start as u32, (start + piece.len()) as u32));
        }
        start += piece.len() + 1;
    }
    pieces
}

fn kind(word: &str) -> StatementKind {
    match word.split(' ').next().unwrap_or_default() {
        "select" => StatementKind::Query,
        "begin" | "START" | "commit" | "COMMIT" | "rollback" => StatementKind::Transaction,
        "insert" => StatementKind::Modify,
        "copyin" => StatementKind::CopyIn,
        "copyout" => StatementKind::CopyOut,
        _ => StatementKind::Utility,
    }
}

fn columns(word: &str, version: u64) -> Vec<ColumnInfo> {
    if kind(word) != StatementKind::Query {
        return Vec::new();
    }
    let id = match word {
        "select changing" if version % 2 == 1 => TypeId::Int4,
        _ => TypeId::Text,
    };
    vec![ColumnInfo {
        name: "c".into(),
        sql_type: SqlType::plain(id),
        table_oid: 0,
        attribute: 0,
    }]
}
