//! The bodies of a client's messages.

use super::reader::{Reader, text};
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::message::execute::Parameter;
use vireo_abi::sql_type::{SqlType, TypeId};

/// `Query`: the text.
pub fn query(body: &[u8]) -> SqlResult<&str> {
    let mut reader = Reader::new(body);
    let text = reader.string()?;
    reader.end()?;
    Ok(text)
}

/// `Parse`.
#[derive(Debug)]
pub struct Parse<'a> {
    /// The prepared statement's name; empty for the unnamed one.
    pub name: &'a str,
    /// Its text.
    pub text: &'a str,
    /// The parameter types given; 0 for not.
    pub parameter_oids: Vec<u32>,
}

/// `Parse`.
pub fn parse(body: &[u8]) -> SqlResult<Parse<'_>> {
    let mut reader = Reader::new(body);
    let (name, text) = (reader.string()?, reader.string()?);
    let count = reader.u16()?;
    let parameter_oids = (0..count).map(|_| reader.u32()).collect::<SqlResult<_>>()?;
    reader.end()?;
    Ok(Parse {
        name,
        text,
        parameter_oids,
    })
}

/// `Bind`, as far as it can be understood without its statement.
#[derive(Debug)]
pub struct Bind<'a> {
    /// The portal's name; empty for the unnamed one.
    pub portal: &'a str,
    /// The prepared statement's name.
    pub statement: &'a str,
    /// The formats of the parameters: none, one for all, or one each.
    parameter_formats: Vec<bool>,
    /// The parameters; none for NULL.
    values: Vec<Option<&'a [u8]>>,
    /// The formats of the result's columns.
    result_formats: Vec<bool>,
}

/// `Bind`.
pub fn bind(body: &[u8]) -> SqlResult<Bind<'_>> {
    let mut reader = Reader::new(body);
    let (portal, statement) = (reader.string()?, reader.string()?);
    let parameter_formats = formats(&mut reader)?;
    let count = reader.u16()?;
    let mut values = Vec::new();
    for _ in 0..count {
        values.push(match reader.i32()? {
            -1 => None,
            length => {
                let length = usize::try_from(length).map_err(|_| {
                    SqlError::new(state::PROTOCOL_VIOLATION, "invalid message format")
                })?;
                Some(reader.bytes(length)?)
            }
        });
    }
    let result_formats = formats(&mut reader)?;
    reader.end()?;
    Ok(Bind {
        portal,
        statement,
        parameter_formats,
        values,
        result_formats,
    })
}

impl Bind<'_> {
    /// The parameters as execute takes them: descriptions, and the values one after another.
    ///
    /// # Errors
    /// 08P01: not as many parameters or formats as the statement has; 22021: text that is none.
    pub fn parameters(&self, types: &[SqlType]) -> SqlResult<(Vec<Parameter>, Vec<u8>)> {
        let (given, formats) = (self.values.len(), self.parameter_formats.len());
        if formats > 1 && formats != given {
            return Err(SqlError::new(
                state::PROTOCOL_VIOLATION,
                format!("bind message has {formats} parameter formats but {given} parameters"),
            ));
        }
        if given != types.len() {
            let (name, wanted) = (self.statement, types.len());
            return Err(SqlError::new(
                state::PROTOCOL_VIOLATION,
                format!(
                    "bind message supplies {given} parameters, but prepared statement \"{name}\" requires {wanted}"
                ),
            ));
        }
        let mut bytes =
            Vec::with_capacity(self.values.iter().flatten().map(|value| value.len()).sum());
        let mut parameters = Vec::with_capacity(given);
        for (index, (value, sql_type)) in self.values.iter().zip(types).enumerate() {
            let is_binary = format_of(&self.parameter_formats, index);
            let length = match value {
                None => -1,
                Some(value) => {
                    if !is_binary || is_text(sql_type.id) {
                        text(value)?;
                    }
                    bytes.extend_from_slice(value);
                    i32::try_from(value.len()).map_err(|_| {
                        SqlError::new(state::PROTOCOL_VIOLATION, "invalid message format")
                    })?
                }
            };
            parameters.push(Parameter { length, is_binary });
        }
        Ok((parameters, bytes))
    }

    /// The result's formats: none for all text, one for all, or one each.
    ///
    /// # Errors
    /// 08P01: not as many as the statement has columns.
    pub fn result_formats(&self, columns: usize) -> SqlResult<Vec<bool>> {
        let given = self.result_formats.len();
        if given > 1 && given != columns {
            return Err(SqlError::new(
                state::PROTOCOL_VIOLATION,
                format!("bind message has {given} result formats but query has {columns} columns"),
            ));
        }
        Ok(self.result_formats.clone())
    }
}

/// The format of one column or parameter, binary or not.
pub fn format_of(formats: &[bool], index: usize) -> bool {
    match formats {
        [] => false,
        [all] => *all,
        each => each.get(index).copied().unwrap_or(false),
    }
}

fn is_text(id: TypeId) -> bool {
    matches!(
        id,
        TypeId::Text | TypeId::Varchar | TypeId::Bpchar | TypeId::Name | TypeId::Unknown
    )
}

fn formats(reader: &mut Reader<'_>) -> SqlResult<Vec<bool>> {
    let count = reader.u16()?;
    let mut formats = Vec::new();
    for _ in 0..count {
        formats.push(match reader.u16()? {
            0 => false,
            1 => true,
            code => {
                let message = format!("unsupported format code: {code}");
                return Err(SqlError::new(state::INVALID_PARAMETER_VALUE, message));
            }
        });
    }
    Ok(formats)
}

/// What `Describe` and `Close` are about.
#[derive(Debug)]
pub enum Target<'a> {
    /// A prepared statement.
    Statement(&'a str),
    /// A portal.
    Portal(&'a str),
}

/// `Describe` or `Close`.
pub fn target<'a>(body: &'a [u8], message: &str) -> SqlResult<Target<'a>> {
    let mut reader = Reader::new(body);
    let (kind, name) = (reader.u8()?, reader.string()?);
    reader.end()?;
    match kind {
        b'S' => Ok(Target::Statement(name)),
        b'P' => Ok(Target::Portal(name)),
        other => Err(SqlError::new(
            state::PROTOCOL_VIOLATION,
            format!("invalid {message} message subtype {other}"),
        )),
    }
}

/// `Execute`: the portal and the most rows, 0 for all.
pub fn execute(body: &[u8]) -> SqlResult<(&str, u32)> {
    let mut reader = Reader::new(body);
    let (portal, rows) = (reader.string()?, reader.i32()?);
    reader.end()?;
    Ok((portal, u32::try_from(rows).unwrap_or(0)))
}

/// `CopyFail`: the client's words.
pub fn copy_fail(body: &[u8]) -> SqlResult<&str> {
    query(body)
}
