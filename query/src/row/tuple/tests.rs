use super::*;
use alloc::vec;
use proptest::prelude::*;
use vireo_abi::datum::Datum;
use vireo_abi::sql_type::TypeId;

/// One of each kind, and two of varying length.
const TYPES: [TypeId; 10] = [
    TypeId::Bool,
    TypeId::Int2,
    TypeId::Text,
    TypeId::Int4,
    TypeId::Int8,
    TypeId::Float4,
    TypeId::Bytea,
    TypeId::Float8,
    TypeId::Interval,
    TypeId::Uuid,
];

fn types() -> Vec<SqlType> {
    TYPES.iter().map(|t| SqlType::plain(*t)).collect()
}

fn chunk_of(types: &[SqlType], rows: &[Vec<Datum>]) -> Chunk {
    let mut columns: Vec<Vector> = types
        .iter()
        .map(|t| Vector::with_capacity(t.kind(), rows.len()))
        .collect();
    for row in rows {
        for (column, value) in columns.iter_mut().zip(row) {
            column.push(value);
        }
    }
    Chunk::new(columns, rows.len())
}

/// Encodes and decodes, all rows and a selection.
fn check(types: &[SqlType], rows: &[Vec<Datum>]) {
    let chunk = chunk_of(types, rows);
    let decoder = Decoder::new(types);
    let mut batch = Rows::default();
    for row in 0..rows.len() {
        let mut bytes = Vec::new();
        encode(types, &chunk, row, &mut bytes);
        batch.push(&bytes, &decoder).unwrap();
    }
    let odd: Vec<u32> = (0..rows.len() as u32).filter(|i| i % 2 == 1).collect();
    for column in 0..types.len() {
        let all = decoder.decode(&batch, column, None).unwrap();
        let some = decoder.decode(&batch, column, Some(&odd)).unwrap();
        for (index, row) in rows.iter().enumerate() {
            assert_eq!(all.datum(index), row[column]);
        }
        for (index, row) in odd.iter().enumerate() {
            assert_eq!(some.datum(index), rows[*row as usize][column]);
        }
    }
}

fn datum(ty: TypeId) -> BoxedStrategy<Datum> {
    let value = match ty.kind() {
        Kind::Bool => any::<bool>().prop_map(Datum::Bool).boxed(),
        Kind::Int2 => any::<i16>().prop_map(Datum::Int2).boxed(),
        Kind::Int4 => any::<i32>().prop_map(Datum::Int4).boxed(),
        Kind::Int8 => any::<i64>().prop_map(Datum::Int8).boxed(),
        Kind::Float4 => any::<i16>().prop_map(|x| Datum::Float4(x.into())).boxed(),
        Kind::Float8 => any::<i32>().prop_map(|x| Datum::Float8(x.into())).boxed(),
        Kind::Interval => (any::<i32>(), any::<i32>(), any::<i64>())
            .prop_map(|(months, days, micros)| {
                Datum::Interval(Interval {
                    months,
                    days,
                    micros,
                })
            })
            .boxed(),
        Kind::Uuid => any::<[u8; 16]>().prop_map(Datum::Uuid).boxed(),
        Kind::Bytes => prop::collection::vec(any::<u8>(), 0..20)
            .prop_map(Datum::Bytes)
            .boxed(),
    };
    prop_oneof![3 => value, 1 => Just(Datum::Null)].boxed()
}

fn row() -> impl Strategy<Value = Vec<Datum>> {
    TYPES.iter().map(|t| datum(*t)).collect::<Vec<_>>()
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(rows in prop::collection::vec(row(), 0..8)) {
        check(&types(), &rows);
    }

    #[test]
    fn any_bytes_are_a_row_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        feed(&bytes);
    }

    #[test]
    fn a_damaged_row_is_a_row_or_an_error(row in row(), at in any::<prop::sample::Index>(), to: u8) {
        let mut bytes = Vec::new();
        encode(&types(), &chunk_of(&types(), &[row]), 0, &mut bytes);
        let at = at.index(bytes.len());
        bytes[at] = to;
        feed(&bytes);
        bytes.truncate(at);
        let mut rows = Rows::default();
        let refused = rows.push(&bytes, &Decoder::new(&types())).unwrap_err();
        prop_assert_eq!(refused.state(), "XX001");
    }
}

/// Must not panic; a row that is accepted decodes or says XX001.
fn feed(bytes: &[u8]) {
    let decoder = Decoder::new(&types());
    let mut rows = Rows::default();
    if rows.push(bytes, &decoder).is_ok() {
        for column in 0..TYPES.len() {
            if let Err(error) = decoder.decode(&rows, column, None) {
                assert_eq!(error.state(), "XX001");
            }
        }
    }
}

#[test]
fn golden_bytes() {
    let types: Vec<SqlType> = [TypeId::Int4, TypeId::Text, TypeId::Int2, TypeId::Bytea]
        .map(SqlType::plain)
        .to_vec();
    let rows = [
        vec![
            Datum::Int4(7),
            Datum::Bytes(b"ab".to_vec()),
            Datum::Int2(-1),
            Datum::Bytes(b"c".to_vec()),
        ],
        vec![
            Datum::Int4(-2),
            Datum::Null,
            Datum::Null,
            Datum::Bytes(b"x".to_vec()),
        ],
    ];
    let chunk = chunk_of(&types, &rows);
    let mut bytes = Vec::new();
    encode(&types, &chunk, 0, &mut bytes);
    assert_eq!(bytes, b"\x10\x04\0\x07\0\0\0\xff\xff\x02\0\x03\0abc");
    bytes.clear();
    encode(&types, &chunk, 1, &mut bytes);
    assert_eq!(bytes, b"\x11\x04\0\x06\xfe\xff\xff\xff\0\0\0\0\x01\0x");
    let wide = [vec![
        Datum::Null,
        Datum::Bytes(vec![b'a'; 70000]),
        Datum::Null,
        Datum::Null,
    ]];
    bytes.clear();
    encode(&types, &chunk_of(&types, &wide), 0, &mut bytes);
    assert_eq!(
        bytes[..18],
        *b"\x13\x04\0\x0d\0\0\0\0\0\0\x70\x11\x01\0\x70\x11\x01\0"
    );
    check(&types, &wide);
    check(&types, &rows);
}

#[test]
fn columns_added_later_are_null() {
    let old = [SqlType::plain(TypeId::Int4), SqlType::plain(TypeId::Text)];
    let new = [
        old[0],
        old[1],
        SqlType::plain(TypeId::Int8),
        SqlType::plain(TypeId::Text),
    ];
    let mut bytes = Vec::new();
    let row = vec![Datum::Int4(1), Datum::Bytes(b"one".to_vec())];
    encode(&old, &chunk_of(&old, &[row]), 0, &mut bytes);
    let decoder = Decoder::new(&new);
    let mut rows = Rows::default();
    rows.push(&bytes, &decoder).unwrap();
    let value = |column| decoder.decode(&rows, column, None).unwrap().datum(0);
    assert_eq!(value(0), Datum::Int4(1));
    assert_eq!(value(1), Datum::Bytes(b"one".to_vec()));
    assert_eq!((value(2), value(3)), (Datum::Null, Datum::Null));
}
