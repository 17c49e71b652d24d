//! An error as the user will see it: PostgreSQL's fields.

use alloc::boxed::Box;
use alloc::string::String;
use rkyv::{Archive, Deserialize, Serialize};

/// How bad it is.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[rkyv(derive(Debug))]
pub enum Severity {
    /// The statement failed.
    Error,
    /// The session ends.
    Fatal,
    /// Something worth knowing; the statement goes on.
    Warning,
    /// A remark.
    Notice,
}

/// An error or notice with PostgreSQL's fields.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
#[rkyv(derive(Debug))]
pub struct SqlError {
    /// How bad it is.
    pub severity: Severity,
    /// The five characters of the SQLSTATE.
    pub sqlstate: [u8; 5],
    /// The primary message, in PostgreSQL's words.
    pub message: String,
    /// DETAIL.
    pub detail: Option<String>,
    /// HINT.
    pub hint: Option<String>,
    /// CONTEXT (`where`): "COPY t, line 3".
    pub context: Option<String>,
    /// Where in the statement, as a byte offset into its text (the gateway makes it PostgreSQL's
    /// one-based character position).
    pub position: Option<u32>,
    /// The constraint that was violated.
    pub constraint: Option<String>,
    /// The table concerned.
    pub table: Option<String>,
    /// The column concerned.
    pub column: Option<String>,
}

/// A result whose error is what the user will see. Boxed: the good path stays small.
pub type SqlResult<T> = Result<T, Box<SqlError>>;

impl SqlError {
    /// An error with a SQLSTATE (one of [`state`]) and a message.
    pub fn new(sqlstate: &[u8; 5], message: impl Into<String>) -> Box<SqlError> {
        Box::new(SqlError {
            severity: Severity::Error,
            sqlstate: *sqlstate,
            message: message.into(),
            detail: None,
            hint: None,
            context: None,
            position: None,
            constraint: None,
            table: None,
            column: None,
        })
    }

    /// The same with a detail.
    pub fn with_detail(mut self: Box<Self>, detail: impl Into<String>) -> Box<SqlError> {
        self.detail = Some(detail.into());
        self
    }

    /// The same with a hint.
    pub fn with_hint(mut self: Box<Self>, hint: impl Into<String>) -> Box<SqlError> {
        self.hint = Some(hint.into());
        self
    }

    /// The same with a context.
    pub fn with_context(mut self: Box<Self>, context: impl Into<String>) -> Box<SqlError> {
        self.context = Some(context.into());
        self
    }

    /// The same at a byte offset of the statement, unless it has a place already.
    pub fn at(mut self: Box<Self>, offset: u32) -> Box<SqlError> {
        self.position.get_or_insert(offset);
        self
    }

    /// The SQLSTATE as text.
    pub fn state(&self) -> &str {
        core::str::from_utf8(&self.sqlstate).unwrap_or("XX000")
    }
}

impl core::fmt::Display for SqlError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} ({})", self.message, self.state())
    }
}

impl core::error::Error for SqlError {}

/// SQLSTATEs by PostgreSQL's condition names (its `errcodes.txt`).
pub mod state {
    macro_rules! states {
        ($($name:ident = $code:literal;)*) => {
            $(#[doc = concat!("`", stringify!($name), "`")] pub const $name: &[u8; 5] = $code;)*
        };
    }
    states! {
        SUCCESSFUL_COMPLETION = b"00000";
        WARNING = b"01000";
        CONNECTION_FAILURE = b"08006";
        PROTOCOL_VIOLATION = b"08P01";
        FEATURE_NOT_SUPPORTED = b"0A000";
        CARDINALITY_VIOLATION = b"21000";
        STRING_DATA_RIGHT_TRUNCATION = b"22001";
        NUMERIC_VALUE_OUT_OF_RANGE = b"22003";
        NULL_VALUE_NOT_ALLOWED = b"22004";
        INVALID_DATETIME_FORMAT = b"22007";
        DATETIME_FIELD_OVERFLOW = b"22008";
        SUBSTRING_ERROR = b"22011";
        DIVISION_BY_ZERO = b"22012";
        INVALID_ARGUMENT_FOR_LOGARITHM = b"2201E";
        INVALID_ARGUMENT_FOR_POWER_FUNCTION = b"2201F";
        INVALID_ROW_COUNT_IN_LIMIT_CLAUSE = b"2201W";
        INVALID_ROW_COUNT_IN_RESULT_OFFSET_CLAUSE = b"2201X";
        CHARACTER_NOT_IN_REPERTOIRE = b"22021";
        INVALID_PARAMETER_VALUE = b"22023";
        INVALID_ESCAPE_SEQUENCE = b"22025";
        STRING_DATA_LENGTH_MISMATCH = b"22026";
        INVALID_TEXT_REPRESENTATION = b"22P02";
        INVALID_BINARY_REPRESENTATION = b"22P03";
        BAD_COPY_FILE_FORMAT = b"22P04";
        UNTRANSLATABLE_CHARACTER = b"22P05";
        INTEGRITY_CONSTRAINT_VIOLATION = b"23000";
        NOT_NULL_VIOLATION = b"23502";
        FOREIGN_KEY_VIOLATION = b"23503";
        UNIQUE_VIOLATION = b"23505";
        CHECK_VIOLATION = b"23514";
        ACTIVE_SQL_TRANSACTION = b"25001";
        READ_ONLY_SQL_TRANSACTION = b"25006";
        NO_ACTIVE_SQL_TRANSACTION = b"25P01";
        IN_FAILED_SQL_TRANSACTION = b"25P02";
        INVALID_SQL_STATEMENT_NAME = b"26000";
        DEPENDENT_OBJECTS_STILL_EXIST = b"2BP01";
        INVALID_CURSOR_NAME = b"34000";
        INVALID_CATALOG_NAME = b"3D000";
        INVALID_SCHEMA_NAME = b"3F000";
        SERIALIZATION_FAILURE = b"40001";
        DEADLOCK_DETECTED = b"40P01";
        SYNTAX_ERROR = b"42601";
        INSUFFICIENT_PRIVILEGE = b"42501";
        CANNOT_COERCE = b"42846";
        GROUPING_ERROR = b"42803";
        WINDOWING_ERROR = b"42P20";
        DATATYPE_MISMATCH = b"42804";
        WRONG_OBJECT_TYPE = b"42809";
        UNDEFINED_COLUMN = b"42703";
        UNDEFINED_FUNCTION = b"42883";
        UNDEFINED_TABLE = b"42P01";
        UNDEFINED_PARAMETER = b"42P02";
        UNDEFINED_OBJECT = b"42704";
        DUPLICATE_COLUMN = b"42701";
        DUPLICATE_CURSOR = b"42P03";
        DUPLICATE_PREPARED_STATEMENT = b"42P05";
        DUPLICATE_TABLE = b"42P07";
        DUPLICATE_ALIAS = b"42712";
        DUPLICATE_OBJECT = b"42710";
        AMBIGUOUS_COLUMN = b"42702";
        AMBIGUOUS_FUNCTION = b"42725";
        AMBIGUOUS_PARAMETER = b"42P08";
        INVALID_COLUMN_REFERENCE = b"42P10";
        INVALID_COLUMN_DEFINITION = b"42611";
        INVALID_TABLE_DEFINITION = b"42P16";
        INDETERMINATE_DATATYPE = b"42P18";
        NAME_TOO_LONG = b"42622";
        INSUFFICIENT_RESOURCES = b"53000";
        DISK_FULL = b"53100";
        OUT_OF_MEMORY = b"53200";
        TOO_MANY_CONNECTIONS = b"53300";
        PROGRAM_LIMIT_EXCEEDED = b"54000";
        STATEMENT_TOO_COMPLEX = b"54001";
        TOO_MANY_COLUMNS = b"54011";
        OBJECT_NOT_IN_PREREQUISITE_STATE = b"55000";
        LOCK_NOT_AVAILABLE = b"55P03";
        CANT_CHANGE_RUNTIME_PARAM = b"55P02";
        QUERY_CANCELED = b"57014";
        ADMIN_SHUTDOWN = b"57P01";
        CRASH_SHUTDOWN = b"57P02";
        CANNOT_CONNECT_NOW = b"57P03";
        IO_ERROR = b"58030";
        INTERNAL_ERROR = b"XX000";
        DATA_CORRUPTED = b"XX001";
    }
}
