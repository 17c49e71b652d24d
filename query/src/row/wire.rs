//! Rows as clients get them: PostgreSQL's `DataRow` messages.
//!
//! ```text
//!  'D'  length i32 (itself included)  columns i16  ( length i32, or -1 for NULL;  bytes )*   all big-endian
//! ```
//!
//! A value's bytes are written in place by [`output`]; its length is filled in after it.

use crate::types::output::{self, TextFormat};
use alloc::vec::Vec;
use vireo_abi::chunk::Chunk;
use vireo_abi::sql_type::SqlType;

/// Appends every row of the chunk's first `types.len()` columns as a whole `DataRow` message. `binary` says per column
/// whether the client wants the binary format; a column without an entry is text.
///
/// # Panics
/// If the chunk has fewer columns than `types`.
pub fn data_rows(
    types: &[SqlType],
    binary: &[bool],
    chunk: &Chunk,
    format: &TextFormat,
    out: &mut Vec<u8>,
) {
    for row in 0..chunk.rows() {
        out.push(b'D');
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&(types.len() as u16).to_be_bytes());
        for (index, sql_type) in types.iter().enumerate() {
            let vector = chunk.column(index);
            if vector.is_null(row) {
                out.extend_from_slice(&(-1_i32).to_be_bytes());
                continue;
            }
            let at = out.len();
            out.extend_from_slice(&[0; 4]);
            if binary.get(index).copied().unwrap_or(false) {
                output::write_binary(*sql_type, vector, row, out);
            } else {
                format.write(*sql_type, vector, row, out);
            }
            let length = (out.len() - at - 4) as u32;
            out[at..at + 4].copy_from_slice(&length.to_be_bytes());
        }
        let length = (out.len() - start) as u32;
        out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::rc::Rc;
    use vireo_abi::chunk::Vector;
    use vireo_abi::datum::Datum;
    use vireo_abi::sql_type::{Kind, TypeId};

    #[test]
    fn golden_bytes() {
        let mut text = Vector::with_capacity(Kind::Bytes, 2);
        text.push(&Datum::Bytes(b"hi".to_vec()));
        text.push_null();
        let mut number = Vector::with_capacity(Kind::Int4, 2);
        number.push(&Datum::Int4(-12));
        number.push(&Datum::Int4(258));
        let chunk = Chunk::new([text, number].into(), 2);
        let types = [SqlType::plain(TypeId::Text), SqlType::plain(TypeId::Int4)];
        let mut out = Vec::new();
        let format = TextFormat::new(&Rc::default());
        data_rows(&types, &[], &chunk, &format, &mut out);
        assert_eq!(
            out,
            b"D\0\0\0\x13\0\x02\0\0\0\x02hi\0\0\0\x03-12D\0\0\0\x11\0\x02\xff\xff\xff\xff\0\0\0\x03258"
        );
        out.clear();
        data_rows(&types, &[false, true], &chunk, &format, &mut out);
        assert_eq!(
            out,
            b"D\0\0\0\x14\0\x02\0\0\0\x02hi\0\0\0\x04\xff\xff\xff\xf4\
              D\0\0\0\x12\0\x02\xff\xff\xff\xff\0\0\0\x04\0\0\x01\x02"
        );
    }
}
